# The statements of the operations document.
show variables like "log_bin";
show pump status;
show warnings
show drainer status;
show warnings
show count(*) warnings
SELECT @@warning_count, @@error_count
SHOW PUMP STATUS LIKE 'PUMP_'
SHOW PUMP STATUS LIKE '%2'
SHOW PUMP STATUS LIKE 'nope'
SHOW DRAINER STATUS LIKE 'd%'
SHOW PUMP STATUS WHERE State = 'online'
SHOW PUMP STATUS where state="online"
SHOW PUMP STATUS WHERE nodeid IN ('pump2') AND max_commit_ts > 1
SHOW PUMP STATUS WHERE Update_Time < '2019-05-01 00:00:30'
SHOW PUMP STATUS WHERE nope = 1
?SHOW PUMP STATUS WHERE NodeID = ? | 'pump1'
?SHOW PUMP STATUS LIKE ? | 'p%1'
SET time_zone = '+08:00'
SHOW PUMP STATUS
SET time_zone = 'America/New_York'
SHOW PUMP STATUS
SHOW PUMP STATUS; SELECT 1; SHOW DRAINER STATUS LIKE 'drainer1'
!tidb
SHOW PUMP STATUS
show variables like "log_bin";
SELECT @@log_bin, @@global.log_bin
!docs
SELECT @@log_bin
!log-bin off
show variables like "log_bin";
!log-bin on
show variables like "log_bin";
!log-bin auto
!put /tidb-binlog/v1/pumps/broken {"nodeId":
SHOW PUMP STATUS
SHOW WARNINGS
SHOW DRAINER STATUS LIKE 'none'
