SHOW VARIABLES LIKE 'version'
SHOW VARIABLES LIKE 'version\_comment'
SHOW VARIABLES LIKE 'wait\_timeout'
SHOW GLOBAL VARIABLES LIKE 'character_set_%'
SHOW SESSION VARIABLES WHERE Variable_name IN ('autocommit', 'sql_mode') OR Value = '4194304'
SELECT @@autocommit, @@session.autocommit, @@global.autocommit
SELECT @@max_allowed_packet, @@auto_increment_increment, @@time_zone
SELECT @@nope
SELECT @@global.warning_count
SELECT @@session.port
SET autocommit = 0
SELECT @@autocommit
SET autocommit = DEFAULT
SET autocommit = 'maybe'
SET autocommit = 1.5
SET wait_timeout = 10, lock_wait_timeout = 2
SELECT @@wait_timeout, @@lock_wait_timeout
SET wait_timeout = '10'
SET wait_timeout = 0
SHOW WARNINGS
SET nope = 1
SET version = 'x'
SET port = 1
SET event_scheduler = ON
SET GLOBAL wait_timeout = 1
SET GLOBAL nope = 1
SET @a = 1, @b = @a, @c := 'x'
SELECT @a, @b, @c, @d
SET @a = 2, nope = 1
SELECT @a
SET sql_mode = 'ansi'
SELECT @@sql_mode
SET sql_mode = concat(@@sql_mode, ',STRICT_TRANS_TABLES')
SELECT @@sql_mode
SET sql_mode = 'TRADITIONAL'
SELECT @@sql_mode
SET sql_mode = 4
SELECT @@sql_mode
SET sql_mode = ''
SET sql_mode = 'NOPE'
SET sql_mode = DEFAULT
SELECT @@sql_mode
/*!40101 SET @was := @@sql_mode, @@sql_mode := '', @quote := @@sql_quote_show_create */
SELECT @was, @@sql_mode, @quote
SET NAMES latin1
SHOW VARIABLES WHERE Variable_name IN ('character_set_client', 'character_set_results', 'collation_connection')
SET NAMES utf8mb4 COLLATE utf8mb4_general_ci
SELECT @@collation_connection
SET NAMES utf8mb4 COLLATE latin1_swedish_ci
SET NAMES nope
SET NAMES DEFAULT
SET CHARACTER SET utf8mb4
SET SESSION character_set_results = 'utf8mb4'
SET character_set_results = NULL
SELECT @@character_set_results
SET character_set_client = 'nope'
SET collation_connection = 'nope'
SET time_zone = '+14:01'
SET time_zone = 'Mars/Base'
SET time_zone = 'europe/berlin'
SELECT @@time_zone
SET time_zone = '-3:30'
SELECT @@time_zone
SET time_zone = SYSTEM
SELECT @@time_zone
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
SELECT @@transaction_isolation, @@tx_isolation
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET optimizer_switch = 'semijoin=off'
SELECT @@optimizer_switch LIKE '%,semijoin=off,%'
SET optimizer_switch = default
SELECT @@optimizer_switch LIKE '%,semijoin=on,%'
SET optimizer_switch = 'nope=on'
SET time_zone = '+02:00'
SET timestamp = 1556668860
SELECT NOW()
SET timestamp = DEFAULT
SET PASSWORD = 'x'
SET DEFAULT ROLE ALL TO root
!monitor
SET GLOBAL wait_timeout = 1
SET wait_timeout = 1
