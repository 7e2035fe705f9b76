# The statements of the operations document, and their errors.
change drainer to node_state ='paused' for node_id 'drainer1';
SHOW WARNINGS
!get /tidb-binlog/v1/drainers/drainer1
SHOW DRAINER STATUS LIKE 'drainer1'
change pump to node_state ='paused' for node_id 'pump1';
SHOW WARNINGS
!get /tidb-binlog/v1/pumps/pump1
SHOW VARIABLES LIKE 'log_bin'
CHANGE PUMP TO NODE_STATE = 'ONLINE' FOR NODE_ID 'pump2'
SHOW PUMP STATUS
CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'nope'
CHANGE PUMP TO NODE_STATE = 'bogus' FOR NODE_ID 'nope'
CHANGE PUMP TO NODE_STATE = 'bogus' FOR NODE_ID 'pump1'
SHOW WARNINGS
?CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ? | 'Offline' | 'pump2'
SHOW WARNINGS
?CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID 'pump2' | 'offline'
?CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID ? | 'missing'
SHOW PUMP STATUS
CHANGE DRAINER TO NODE_STATE = 'online' FOR NODE_ID 'Drainer2'
SHOW WARNINGS
CHANGE DRAINER TO NODE_STATE = 'offline' FOR NODE_ID 'drainer1'
SHOW WARNINGS
CHANGE DRAINER TO NODE_STATE = 'offline' FOR NODE_ID 'drainer1'
CHANGE DRAINER TO NODE_STATE = 'closing' FOR NODE_ID 'pump1'
CHANGE PUMP TO NODE_STATE = paused FOR NODE_ID 'pump1'
show pumps
show drainer
pause pump pump1
resolve transaction 5
SELECT 1 FROM
EXPLAIN CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'pump1'
!tidb
CHANGE PUMP TO NODE_STATE = 'bogus' FOR NODE_ID 'pump1'
CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'drainer1'
show pumps
!monitor
CHANGE PUMP TO NODE_STATE = 'online' FOR NODE_ID 'pump1'
SET GLOBAL wait_timeout = 5
KILL 1
FLUSH TABLES
SHOW PUMP STATUS
