# Works with the console through the gem mysql2. HOST, PORT and NODE (a pump to change) are in
# the environment.
require 'mysql2'
$stdout.sync = true

def check(got, want, what)
  abort "#{what}: #{got.inspect}, want #{want.inspect}" unless got == want
end

def did(text) = puts("did #{text}")

puts "version #{Mysql2::VERSION}"
node = ENV.fetch('NODE')
client = Mysql2::Client.new(host: ENV.fetch('HOST'), port: ENV.fetch('PORT').to_i, username: 'root', database: 'binlog',
                            encoding: 'utf8mb4', database_timezone: :utc, application_timezone: :utc)
check client.server_info[:version].include?('TiDB'), true, 'version'
did 'connect'

rows = client.query("SHOW PUMP STATUS LIKE 'pump%'", symbolize_keys: true).to_a
check rows[0], { NodeID: 'pump1', Address: '127.0.0.1:8250', State: 'Online', Max_Commit_Ts: 408553768673342237,
                 Update_Time: '2019-05-22 07:09:04' }, 'symbols'
check client.query('SELECT 1, NULL', as: :array).first, [1, nil], 'array'
first = client.query("SELECT commit_time, lag_seconds FROM pumps WHERE node_id = 'pump2'", cast: true).first
check first['commit_time'], Time.utc(2019, 5, 22, 7, 9, 4, 218_000), 'time'
check first['lag_seconds'].class, BigDecimal, 'decimal'
did '`SHOW PUMP STATUS`, rows as symbols, arrays, Time and BigDecimal'

find = client.prepare('SELECT node_id, max_commit_ts, labels FROM pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY 1')
2.times do
  check find.execute('pump%', 1).map(&:values), [['pump1', 408553768673342237, nil], ['pump2', 408553768673342335, '{"zone":"a"}']], 'prepared'
end
check find.fields, %w[node_id max_commit_ts labels], 'fields'
check find.param_count, 2, 'parameters'
change = client.prepare('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?')
state = client.prepare('SELECT state FROM pumps WHERE node_id = ?')
%w[paused online].each do |to|
  change.execute(to, node)
  check change.affected_rows, 0, 'affected'
  check state.execute(node).first['state'], to.capitalize, 'state'
end
did 'prepare with parameters, `CHANGE PUMP`'

streamed = client.query('SELECT table_name AS t FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1',
                        stream: true, cache_rows: false)
check streamed.map { |r| r['t'] }, %w[drainers events positions pumps standbys unresolved], 'streamed'
did 'streaming'

{ 'SELEC 1' => 1064, 'SELECT * FROM nope' => 1146, 'SELECT nope FROM pumps' => 1054 }.each do |sql, errno|
  begin
    client.query(sql)
    abort "#{sql}: no error"
  rescue Mysql2::Error => e
    check e.error_number, errno, sql
  end
end
several = Mysql2::Client.new(host: ENV['HOST'], port: ENV['PORT'].to_i, username: 'root', flags: Mysql2::Client::MULTI_STATEMENTS)
check several.query('SELECT 1 AS a; SHOW DRAINER STATUS').first['a'], 1, 'first of several'
check several.next_result, true, 'more'
check several.store_result.first['NodeID'], 'drainer1', 'second of several'
check client.ping, true, 'ping'
check client.escape("it's"), "it\\'s", 'escape'
[client, several].each(&:close)
did 'errors by number, several statements, ping, escape'
