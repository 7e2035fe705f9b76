package clients;

import static clients.Console.*;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.net.ClientSSLOptions;
import io.vertx.core.net.PemTrustOptions;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import io.vertx.mysqlclient.MySQLException;
import io.vertx.mysqlclient.MySQLSetOption;
import io.vertx.mysqlclient.SslMode;
import io.vertx.sqlclient.Cursor;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.PoolOptions;
import io.vertx.sqlclient.PreparedStatement;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.Transaction;
import io.vertx.sqlclient.Tuple;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** Works with the console through Vert.x's MySQL client. */
public final class VertxClient {
    public static void main(String[] args) throws Exception {
        version(System.getProperty("version", "?"));
        Vertx vertx = Vertx.vertx();
        try {
            pool(vertx);
            connection(vertx);
            logins(vertx);
        } finally {
            vertx.close().toCompletionStage().toCompletableFuture().get(1, TimeUnit.MINUTES);
        }
    }

    private static MySQLConnectOptions plain() {
        return new MySQLConnectOptions().setHost(HOST).setPort(PORT).setUser("root").setDatabase("binlog").setSslMode(SslMode.DISABLED);
    }

    private static <T> T get(Future<T> f) throws Exception {
        try {
            return f.toCompletionStage().toCompletableFuture().get(2, TimeUnit.MINUTES);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof MySQLException my) {
                throw my;
            }
            throw e;
        }
    }

    private static void refused(int number, String what, Future<?> f) throws Exception {
        try {
            get(f);
        } catch (MySQLException e) {
            check(e.getErrorCode(), number, what);
            return;
        }
        throw new IllegalStateException(what + ": no error, want " + number);
    }

    /** Rows as texts, values joined by |. */
    private static List<String> rows(RowSet<Row> set) {
        List<String> out = new ArrayList<>();
        for (Row row : set) {
            List<String> values = new ArrayList<>();
            for (int i = 0; i < row.size(); i++) {
                values.add(String.valueOf(row.getValue(i)));
            }
            out.add(String.join("|", values));
        }
        return out;
    }

    private static void pool(Vertx vertx) throws Exception {
        Pool pool = MySQLBuilder.pool().with(new PoolOptions().setMaxSize(3))
            .connectingTo(plain().setCachePreparedStatements(true).setPipeliningLimit(16)).using(vertx).build();
        check(rows(get(pool.query("SHOW PUMP STATUS LIKE 'pump%'").execute())),
            List.of("pump1|127.0.0.1:8250|Online|408553768673342237|2019-05-22 07:09:04",
                "pump2|127.0.0.2:8250|Online|408553768673342335|2019-05-22 07:09:04"), "SHOW PUMP STATUS");
        String find = "SELECT node_id, max_commit_ts, commit_time, labels FROM pumps WHERE node_id LIKE ? AND commit_time >= ? ORDER BY 1";
        List<Future<RowSet<Row>>> answers = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            answers.add(pool.preparedQuery(find).execute(Tuple.of("pump2%", LocalDateTime.parse("2019-05-22T07:09:04"))));
        }
        for (Future<RowSet<Row>> answer : answers) {
            check(rows(get(answer)), List.of("pump2|408553768673342335|2019-05-22T07:09:04.218|{\"zone\":\"a\"}"), "prepared");
        }
        for (String to : new String[] {"paused", "online"}) {
            get(pool.preparedQuery("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?").execute(Tuple.of(to, NODE)));
            check(state(pool).toLowerCase(), to, "state");
        }
        get(pool.preparedQuery("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?")
            .executeBatch(List.of(Tuple.of("paused", NODE), Tuple.of("online", NODE), Tuple.of("paused", NODE))));
        check(state(pool), "Paused", "state after a batch");
        get(pool.withTransaction(c -> c.preparedQuery("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?").execute(Tuple.of("online", NODE))));
        check(state(pool), "Online", "state after a transaction");
        did("pool, pipelined prepared statements, `SHOW PUMP STATUS`, `CHANGE PUMP` singly, in a batch, in a transaction");
        refused(1064, "SELEC", pool.query("SELEC 1").execute());
        refused(1146, "no table", pool.preparedQuery("SELECT * FROM nope").execute());
        refused(1235, "DELETE", pool.query("DELETE FROM pumps").execute());
        refused(1105, "no node", pool.query("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'nope'").execute());
        did("errors by number");
        get(pool.close());
    }

    private static String state(Pool pool) throws Exception {
        return String.join(",", rows(get(pool.preparedQuery("SELECT state FROM pumps WHERE node_id = ?").execute(Tuple.of(NODE)))));
    }

    private static void connection(Vertx vertx) throws Exception {
        MySQLConnection c = get(MySQLConnection.connect(vertx, plain()));
        PreparedStatement all = get(c.prepare("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ? ORDER BY 1, ordinal_position"));
        List<String> want = rows(get(all.query().execute(Tuple.of("binlog")))), have = new ArrayList<>();
        check(want.size() > 40, true, want.size() + " columns");
        Cursor cursor = all.cursor(Tuple.of("binlog"));
        do {
            have.addAll(rows(get(cursor.read(7))));
        } while (cursor.hasMore());
        check(have, want, "cursor");
        get(cursor.close());
        Transaction t = get(c.begin());
        get(c.query("SELECT 1").execute());
        get(t.rollback());
        get(c.query("START TRANSACTION READ ONLY").execute());
        refused(1792, "CHANGE in a READ ONLY transaction", c.query("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '" + NODE + "'").execute());
        get(c.query("ROLLBACK").execute());
        did("cursors, transactions, READ ONLY refuses `CHANGE`");
        get(c.setOption(MySQLSetOption.MYSQL_OPTION_MULTI_STATEMENTS_ON));
        RowSet<Row> several = get(c.query("SELECT 1; SELECT 2").execute());
        check(rows(several).toString() + rows(several.next()), "[1][2]", "several");
        get(c.ping());
        get(c.resetConnection());
        get(c.specifySchema("information_schema"));
        check(get(c.getInternalStatistics()).isEmpty(), false, "statistics");
        check(rows(get(c.query("SELECT DATABASE()").execute())), List.of("information_schema"), "database");
        get(c.close());
        did("several results by setOption, ping, resetConnection, specifySchema, getInternalStatistics");
    }

    private static void logins(Vertx vertx) throws Exception {
        ClientSSLOptions trust = new ClientSSLOptions().setTrustOptions(new PemTrustOptions().addCertPath(CA)).setHostnameVerificationAlgorithm("HTTPS");
        for (String user : USERS) {
            for (boolean tls : new boolean[] {true, false}) {
                MySQLConnectOptions to = plain().setPort(TLS_PORT).setUser(user).setPassword(PASSWORD);
                if (tls) {
                    to.setSslMode(SslMode.VERIFY_IDENTITY).setSslOptions(trust);
                }
                MySQLConnection c = get(MySQLConnection.connect(vertx, to));
                check(rows(get(c.query("SELECT CURRENT_USER()").execute())), List.of(user + "@%"), "CURRENT_USER()");
                check(c.isSSL(), tls, "TLS");
                get(c.close());
                refused(1045, "a wrong password", MySQLConnection.connect(vertx, new MySQLConnectOptions(to).setPassword("wrong")));
            }
        }
        did("login by caching_sha2_password and mysql_native_password, over TLS with SslMode.VERIFY_IDENTITY and without");
    }
}
