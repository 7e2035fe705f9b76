# Works with the console through DBI and a driver, mysql or MariaDB (argument 1). HOST, PORT
# and NODE (a pump to change) are in the environment.
use strict;
use warnings;
use DBI;

my $driver = shift;
my $node   = $ENV{NODE};
$| = 1;

sub check {
    my ( $got, $want, $what ) = @_;
    $got = 'undef' unless defined $got;
    die "$what: $got, want $want\n" if $got ne $want;
}
sub did { print "did @_\n" }

# p is the prefix of the driver's own attributes.
my $p = lc $driver;
for my $server_side ( 0, 1 ) {
    my $dbh = DBI->connect(
        "dbi:$driver:host=$ENV{HOST};port=$ENV{PORT};${p}_server_prepare=$server_side",
        'root', '', { RaiseError => 1, PrintError => 0, AutoCommit => 1 } );
    if ( !$server_side ) {
        no strict 'refs';
        print 'version ', ${"DBD::${driver}::VERSION"}, "\n";
        check( $dbh->{"${p}_serverinfo"} =~ /TiDB/ ? 1 : 0, 1, 'server info' );
        did('connect');
    }
    my $sth = $dbh->prepare('SELECT node_id, max_commit_ts, labels FROM binlog.pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY node_id');
    for ( 1 .. 2 ) {
        $sth->execute( 'pump%', 1 );
        check( join( ' ', @{ $sth->{NAME} } ), 'node_id max_commit_ts labels', 'names' );
        my @rows = map { join '|', map { $_ // 'NULL' } @$_ } @{ $sth->fetchall_arrayref };
        check( join( ' ', @rows ), 'pump1|408553768673342237|NULL pump2|408553768673342335|{"zone":"a"}', 'placeholders' );
    }
    my $change = $dbh->prepare('CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?');
    for my $state (qw(paused online)) {
        check( $change->execute( $state, $node ), '0E0', 'affected' );
        check( $dbh->selectrow_array( 'SELECT state FROM binlog.pumps WHERE node_id = ?', undef, $node ), ucfirst $state, 'state' );
    }
    did( $server_side ? 'the same prepared by the server' : 'placeholders, `CHANGE PUMP`, prepared by the driver' );
    check( $dbh->selectall_hashref( "SHOW PUMP STATUS LIKE 'pump%'", 'NodeID' )->{pump2}{Address}, '127.0.0.2:8250', 'hash' );
    for ( [ 'SELEC 1', 1064 ], [ 'SELECT * FROM binlog.nope', 1146 ] ) {
        my ( $sql, $errno ) = @$_;
        die "$sql: no error\n" if eval { $dbh->do($sql); 1 };
        check( $dbh->err, $errno, $sql );
    }
    $dbh->disconnect;
}
did('rows as hashes, errors by number');

my $dbh = DBI->connect( "dbi:$driver:database=binlog;host=$ENV{HOST};port=$ENV{PORT}", 'root', '', { RaiseError => 1, PrintError => 0 } );
my @tables = map { $_->[2] } @{ $dbh->table_info( undef, undef, '%', 'TABLE' )->fetchall_arrayref };
check( "@tables", 'drainers events positions pumps standbys unresolved', 'table_info' );
check( ( grep {/pumps/} $dbh->tables( undef, undef, '%', 'TABLE' ) ) ? 1 : 0, 1, 'tables' );
my $info = $dbh->column_info( undef, undef, 'pumps', '%' )->fetchall_arrayref( {} );
check( scalar @$info, 15, 'column_info' );
my ($ts) = grep { $_->{COLUMN_NAME} eq 'max_commit_ts' } @$info;
check( "$ts->{TYPE_NAME} $ts->{NULLABLE} $ts->{DATA_TYPE}", 'BIGINT 0 4', 'column_info of max_commit_ts' ) if $driver eq 'mysql';
my ($lag) = grep { $_->{COLUMN_NAME} eq 'lag_seconds' } @$info;
check( "$lag->{TYPE_NAME} $lag->{COLUMN_SIZE} $lag->{DECIMAL_DIGITS}", 'DECIMAL 20 3', 'column_info of lag_seconds' );
check( join( ' ', $dbh->primary_key( undef, undef, 'positions' ) ), 'drainer pump', 'primary_key' );
did('table_info, tables, column_info, primary_key');

$dbh->begin_work;
check( $dbh->selectrow_array('SELECT COUNT(*) FROM pumps WHERE node_id LIKE "pump%"'), 3, 'in a transaction' );
$dbh->commit;
$dbh->begin_work;
$dbh->rollback;
check( $dbh->ping ? 1 : 0, 1, 'ping' );
check( $dbh->quote("it's"), "'it\\'s'", 'quote' );
$dbh->disconnect;
did('begin_work, commit, rollback, ping, quote');
