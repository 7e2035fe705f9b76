<?php
// Works with the console through PHP's mysqli and PDO (argument 1: mysqli, pdo-native or
// pdo-emulated). HOST, PORT and NODE (a pump to change) are in the environment.
error_reporting(E_ALL);
set_error_handler(function ($no, $text, $file, $line) { throw new ErrorException($text, 0, $no, $file, $line); });

function check($got, $want, string $what): void {
    if ($got !== $want) {
        fwrite(STDERR, "$what: " . var_export($got, true) . ', want ' . var_export($want, true) . "\n");
        exit(1);
    }
}
function did(string $what): void { echo "did $what\n"; }

$host = getenv('HOST');
$port = (int) getenv('PORT');
$node = getenv('NODE');
$pumps = [['pump1', 408553768673342237, null], ['pump2', 408553768673342335, '{"zone":"a"}']];
$find = 'SELECT node_id, max_commit_ts, labels FROM binlog.pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY node_id';
echo 'version ', PHP_VERSION, "\n";

if ($argv[1] === 'mysqli') {
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    $db = new mysqli($host, 'root', '', 'binlog', $port);
    check(str_contains($db->get_server_info(), 'TiDB'), true, 'get_server_info');
    check($db->server_version >= 80011, true, 'server_version');
    check(str_contains($db->host_info, 'TCP/IP'), true, 'host_info');
    $db->set_charset('utf8mb4');
    check(str_contains($db->stat(), 'Uptime'), true, 'stat');
    did('connect, get_server_info, set_charset, stat');

    $rows = $db->query("SHOW PUMP STATUS LIKE 'pump%'")->fetch_all(MYSQLI_ASSOC);
    check($rows[1]['Address'], '127.0.0.2:8250', 'address');
    $fields = $db->query('SELECT max_commit_ts, lag_seconds FROM pumps')->fetch_fields();
    check([$fields[0]->type, $fields[1]->type, $fields[1]->decimals, $fields[0]->orgtable],
        [MYSQLI_TYPE_LONGLONG, MYSQLI_TYPE_NEWDECIMAL, 3, 'pumps'], 'fields');
    check($db->query('SELECT node_id FROM pumps WHERE node_id = "pump1"', MYSQLI_USE_RESULT)->fetch_row(), ['pump1'], 'unbuffered');
    did('query, fetch_all, fetch_fields, unbuffered results');

    $st = $db->prepare($find);
    check([$st->param_count, $st->field_count], [2, 3], 'counts');
    foreach ([1, 2] as $_) {
        [$like, $more] = ['pump%', 1];
        $st->bind_param('si', $like, $more);
        $st->execute();
        check($st->get_result()->fetch_all(), $pumps, 'prepared');
    }
    $st->execute(['pump2', 1]);
    $st->bind_result($id, $ts, $labels);
    check($st->fetch(), true, 'fetch');
    check([$id, $ts], ['pump2', 408553768673342335], 'bind_result');
    $st->close();
    $change = $db->prepare('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?');
    foreach (['paused', 'online'] as $state) {
        check($change->execute([$state, $node]), true, 'change');
        check($change->affected_rows, 0, 'affected');
        check($db->execute_query('SELECT state FROM pumps WHERE node_id = ?', [$node])->fetch_column(), ucfirst($state), 'state');
    }
    did('prepare, bind_param, get_result, bind_result, `CHANGE PUMP`');

    $db->multi_query('SELECT 1; SHOW DRAINER STATUS; SET @a = 2; SELECT @a');
    $seen = [];
    do {
        if ($result = $db->store_result()) { $seen[] = $result->fetch_row()[0]; }
    } while ($db->next_result());
    check($seen, ['1', 'drainer1', '2'], 'multi_query');
    $db->begin_transaction();
    check($db->commit(), true, 'commit');
    $db->autocommit(false);
    check($db->rollback(), true, 'rollback');
    $db->autocommit(true);
    foreach (['SELEC 1' => 1064, 'SELECT * FROM nope' => 1146, 'SELECT nope FROM pumps' => 1054] as $sql => $errno) {
        try {
            $db->query($sql);
            check('no error', '', $sql);
        } catch (mysqli_sql_exception $e) {
            check($e->getCode(), $errno, $sql);
        }
    }
    check($db->real_escape_string("it's"), "it\\'s", 'escape');
    check($db->select_db('information_schema'), true, 'select_db');
    check($db->change_user('root', '', 'binlog'), true, 'change_user');
    check(count($db->query('SHOW TABLES')->fetch_all()), 6, 'tables');
    $db->query('SELECT * FROM pumps WHERE node_id = "nope"');
    check($db->warning_count, 0, 'warnings');
    $db->close();
    did('multi_query, commit(), rollback(), autocommit, errors, change_user');
    exit(0);
}

$emulate = $argv[1] === 'pdo-emulated';
$db = new PDO("mysql:host=$host;port=$port;dbname=binlog;charset=utf8mb4", 'root', '', [
    PDO::ATTR_EMULATE_PREPARES => $emulate, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
check(str_contains($db->getAttribute(PDO::ATTR_SERVER_VERSION), 'TiDB'), true, 'version');
check(str_contains($db->getAttribute(PDO::ATTR_SERVER_INFO), 'Uptime'), true, 'info');
check(str_contains($db->getAttribute(PDO::ATTR_CONNECTION_STATUS), 'TCP/IP'), true, 'connection status');
did('connect, attributes');

foreach ([1, 2] as $_) {
    $st = $db->prepare(str_replace(['LIKE ?', '> ?'], ['LIKE :like', '> :more'], $find));
    $st->bindValue(':like', 'pump%');
    $st->bindValue(':more', 1, PDO::PARAM_INT);
    $st->execute();
    check($st->fetchAll(PDO::FETCH_NUM), $pumps, 'prepared');
}
check($st->getColumnMeta(1)['native_type'], 'LONGLONG', 'getColumnMeta');
$st = $db->prepare('SELECT node_id FROM pumps WHERE node_id LIKE ? ORDER BY 1 LIMIT ? OFFSET ?');
foreach (['pump%', 1, 1] as $i => $v) { $st->bindValue($i + 1, $v, is_int($v) ? PDO::PARAM_INT : PDO::PARAM_STR); }
$st->execute();
check($st->fetchColumn(), 'pump2', 'limit ? offset ?');
$st->closeCursor();
$change = $db->prepare('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?');
foreach (['paused', 'online'] as $state) {
    check($change->execute([$state, $node]), true, 'change');
    check($change->rowCount(), 0, 'rowCount');
    $st = $db->prepare('SELECT state FROM pumps WHERE node_id = ?');
    $st->execute([$node]);
    check($st->fetchColumn(), ucfirst($state), 'state');
}
did('prepare with names and ?, `CHANGE PUMP`, LIMIT ? OFFSET ?');

check($db->query("SHOW PUMP STATUS LIKE 'pump%'")->fetchAll(PDO::FETCH_ASSOC)[0]['NodeID'], 'pump1', 'FETCH_ASSOC');
check($db->query("SHOW DRAINER STATUS")->fetchAll(PDO::FETCH_OBJ)[0]->State, 'Online', 'FETCH_OBJ');
check($db->query("SELECT node_id, state FROM pumps WHERE node_id LIKE 'pump%'")->fetchAll(PDO::FETCH_KEY_PAIR),
    ['pump1' => 'Online', 'pump2' => 'Online', 'pump3' => 'Offline'], 'FETCH_KEY_PAIR');
check(array_keys($db->query("SELECT state, node_id FROM pumps WHERE node_id LIKE 'pump%'")->fetchAll(PDO::FETCH_GROUP)),
    ['Online', 'Offline'], 'FETCH_GROUP');
check($db->query('SHOW TABLES')->fetchAll(PDO::FETCH_COLUMN), ['drainers', 'events', 'positions', 'pumps', 'standbys', 'unresolved'], 'FETCH_COLUMN');
did('fetch modes');

$db->beginTransaction();
check($db->inTransaction(), true, 'in transaction');
check($db->commit(), true, 'commit');
$db->beginTransaction();
check($db->rollBack(), true, 'rollBack');
if ($emulate) {
    $several = $db->query('SELECT 1; SELECT 2');
    check($several->fetchColumn(), 1, 'first of several');
    check($several->nextRowset(), true, 'nextRowset');
    check($several->fetchColumn(), 2, 'second of several');
    $several->closeCursor();
}
foreach (['SELEC 1' => 1064, 'SELECT * FROM nope' => 1146, 'SELECT nope FROM pumps' => 1054] as $sql => $errno) {
    try {
        $db->query($sql);
        check('no error', '', $sql);
    } catch (PDOException $e) {
        check($e->errorInfo[1], $errno, $sql);
    }
}
check($db->quote("it's"), "'it\\'s'", 'quote');
did($emulate ? 'commit(), rollBack(), several result sets, errors' : 'commit(), rollBack(), errors');
