# What tools ask about the schema, and what people ask of the tables.
SELECT node_id, state, alive, commit_time, lag_seconds, labels, version, waiting_for, warning FROM binlog.pumps
SELECT node_id, state, alive, warning FROM binlog.drainers WHERE state <> 'OFFLINE' ORDER BY alive, node_id DESC
SELECT node_id FROM binlog.pumps WHERE node_id = 'PUMP1'
SELECT state, COUNT(*) AS n, MIN(update_time) FROM binlog.pumps GROUP BY state HAVING n > 0 ORDER BY state
SELECT p.node_id, d.node_id FROM binlog.pumps p JOIN binlog.drainers d ON d.max_commit_ts < p.max_commit_ts ORDER BY 1, 2
SELECT * FROM binlog.positions
SELECT * FROM binlog.events
SELECT * FROM binlog.unresolved
SELECT nosuch FROM binlog.pumps
SELECT * FROM pumps
SELECT * FROM binlog.nosuch
SELECT * FROM nosuch.t
SELECT * FROM information_schema.nosuch
SELECT x.* FROM binlog.pumps
SELECT p.node_id FROM binlog.pumps
SELECT nosuch(1)
SET time_zone = '+08:00'
SELECT commit_time, update_time FROM binlog.pumps WHERE node_id = 'pump1'
SET time_zone = '+00:00'
SELECT schema_name, default_collation_name FROM information_schema.schemata
SELECT table_name, table_type, engine, table_comment FROM information_schema.tables WHERE table_schema = 'binlog' ORDER BY table_name
SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'INFORMATION_SCHEMA' AND TABLE_NAME LIKE 'innodb%'
SELECT ordinal_position, column_name, column_default, is_nullable, data_type, character_maximum_length, character_octet_length, numeric_precision, numeric_scale, datetime_precision, collation_name, column_type, column_key FROM information_schema.columns WHERE table_schema = 'binlog' AND table_name = 'pumps' ORDER BY ordinal_position
SELECT table_name, index_name, seq_in_index, column_name, non_unique FROM information_schema.statistics WHERE table_schema = 'binlog' ORDER BY 1, 3
SELECT table_name, constraint_name, column_name, ordinal_position, referenced_table_name FROM information_schema.key_column_usage WHERE constraint_schema = 'binlog' ORDER BY 1, 4
SELECT table_name, constraint_type FROM information_schema.table_constraints WHERE table_schema = 'binlog' ORDER BY 1
SELECT c.column_name, s.seq_in_index FROM information_schema.columns c LEFT JOIN information_schema.statistics s USING (table_schema, table_name, column_name) WHERE c.table_schema = 'binlog' AND c.table_name = 'positions' ORDER BY c.ordinal_position
SELECT COUNT(*) FROM information_schema.routines
SELECT COUNT(*) FROM information_schema.triggers
SELECT COUNT(*) FROM information_schema.views
SELECT engine, support FROM information_schema.engines
SELECT collation_name, id FROM information_schema.collations WHERE character_set_name = 'utf8mb4' AND is_default = 'Yes'
SELECT plugin_name, plugin_status FROM information_schema.plugins
SELECT grantee, privilege_type FROM information_schema.user_privileges ORDER BY 2
SELECT id, user, command FROM information_schema.processlist
SELECT variable_value FROM performance_schema.session_variables WHERE variable_name = 'wait_timeout'
SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Uptime'
SELECT processlist_user, processlist_command FROM performance_schema.threads
SELECT Host, User, Select_priv, Super_priv, Create_priv FROM mysql.user
SELECT * FROM mysql.time_zone_name
SELECT word FROM information_schema.keywords WHERE reserved = 1 AND word LIKE 'SEL%'
USE binlog
SHOW FULL COLUMNS FROM positions
SHOW COLUMNS FROM pumps LIKE '%_ts'
SHOW INDEX FROM positions
SHOW CREATE TABLE positions
SHOW CREATE VIEW pumps
SHOW TABLE STATUS LIKE 'pumps'
SHOW TABLES LIKE 'p%'
SHOW FULL TABLES FROM mysql LIKE 'time%'
DESCRIBE events
DESC pumps 'max%'
EXPLAIN SELECT p.node_id FROM pumps p JOIN drainers WHERE p.state IN (SELECT new_state FROM events)
EXPLAIN FORMAT=JSON SELECT * FROM pumps
EXPLAIN SELECT * FROM nosuch
EXPLAIN ANALYZE SELECT 1
CHECK TABLE pumps, nosuch
CHECKSUM TABLE pumps
?SELECT node_id FROM pumps WHERE state = ? | 'online'
?DESCRIBE `pumps` 'node%'
?CHECK TABLE pumps
?SHOW MASTER LOGS
!monitor
SELECT privilege_type FROM information_schema.user_privileges ORDER BY 1
SELECT user, info FROM information_schema.processlist
