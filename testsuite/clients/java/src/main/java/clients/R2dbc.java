package clients;

import static clients.Console.*;

import io.asyncer.r2dbc.mysql.MySqlConnectionConfiguration;
import io.asyncer.r2dbc.mysql.MySqlConnectionFactory;
import io.asyncer.r2dbc.mysql.MySqlTransactionDefinition;
import io.asyncer.r2dbc.mysql.api.MySqlConnection;
import io.asyncer.r2dbc.mysql.constant.CompressionAlgorithm;
import io.asyncer.r2dbc.mysql.constant.SslMode;
import io.r2dbc.spi.IsolationLevel;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import io.r2dbc.spi.ValidationDepth;
import java.time.Duration;
import java.time.LocalDateTime;
import java.util.List;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Works with the console through R2DBC. */
public final class R2dbc {
    private static final Duration LIMIT = Duration.ofMinutes(2);

    public static void main(String[] args) {
        version(System.getProperty("version", "?"));
        for (boolean server : new boolean[] {false, true}) {
            MySqlConnectionConfiguration.Builder to = plain();
            with(server ? to.useServerPrepareStatement() : to, c -> {
                statements(c);
                if (server) {
                    transactions(c);
                    errors(c);
                }
            });
        }
        did("`SHOW PUMP STATUS`, parameters, streams, batch, `CHANGE PUMP`, prepared by the driver and by the server");
        did("transactions, isolation, READ ONLY refuses `CHANGE`, validate; errors by number");
        with(plain().compressionAlgorithms(CompressionAlgorithm.ZLIB), R2dbc::statements);
        did("the same over zlib");
        for (String user : USERS) {
            MySqlConnectionConfiguration.Builder secure = MySqlConnectionConfiguration.builder().host(HOST).port(TLS_PORT).user(user).database("binlog");
            with(secure.password(PASSWORD).sslMode(SslMode.VERIFY_CA).sslCa(CA), c -> {
                check(rows(c.createStatement("SELECT CURRENT_USER()")), List.of(user + "@%"), "CURRENT_USER()");
                check(rows(c.createStatement("SHOW STATUS LIKE 'Ssl_cipher'")).get(0).length() > 12, true, "cipher");
            });
            refused(1045, "a wrong password", () -> Mono.from(MySqlConnectionFactory.from(secure.password("wrong").build()).create()));
            with(secure.password(PASSWORD).sslMode(SslMode.DISABLED), c ->
                check(rows(c.createStatement("SELECT CURRENT_USER()")), List.of(user + "@%"), "CURRENT_USER()"));
        }
        did("login by caching_sha2_password and mysql_native_password, over TLS with sslMode=VERIFY_CA and without");
    }

    private static MySqlConnectionConfiguration.Builder plain() {
        return MySqlConnectionConfiguration.builder().host(HOST).port(PORT).user("root").database("binlog")
            .sslMode(SslMode.DISABLED).connectionTimeZone("UTC");
    }

    private interface Work {
        void at(MySqlConnection c);
    }

    private static void with(MySqlConnectionConfiguration.Builder to, Work work) {
        MySqlConnection c = MySqlConnectionFactory.from(to.build()).create().block(LIMIT);
        try {
            work.at(c);
        } finally {
            c.close().block(LIMIT);
        }
    }

    /** All rows of a statement's results, values joined by |. */
    private static List<String> rows(Publisher<? extends Result> results) {
        return Flux.from(results).concatMap(r -> r.map((row, meta) -> {
            StringBuilder b = new StringBuilder();
            for (int i = 0; i < meta.getColumnMetadatas().size(); i++) {
                b.append(i > 0 ? "|" : "").append(row.get(i));
            }
            return b.toString();
        })).collectList().block(LIMIT);
    }

    private static List<String> rows(Statement s) {
        return rows(s.execute());
    }

    private static long updated(Publisher<? extends Result> results) {
        return Flux.from(results).concatMap(Result::getRowsUpdated).reduce(0L, Long::sum).block(LIMIT);
    }

    private static void refused(int number, String what, java.util.function.Supplier<Mono<?>> action) {
        try {
            action.get().block(LIMIT);
        } catch (RuntimeException e) {
            if (e instanceof R2dbcException sql && sql.getErrorCode() == number) {
                return;
            }
            throw new IllegalStateException(what + ": want error " + number, e);
        }
        throw new IllegalStateException(what + ": no error, want " + number);
    }

    private static void statements(MySqlConnection c) {
        check(c.getMetadata().getDatabaseVersion().contains("TiDB"), true, c.getMetadata().getDatabaseVersion());
        check(rows(c.createStatement("SHOW PUMP STATUS LIKE 'pump%'")),
            List.of("pump1|127.0.0.1:8250|Online|408553768673342237|2019-05-22 07:09:04",
                "pump2|127.0.0.2:8250|Online|408553768673342335|2019-05-22 07:09:04"), "SHOW PUMP STATUS");
        String find = "SELECT node_id, max_commit_ts, commit_time, labels, score FROM pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY 1";
        for (int i = 0; i < 2; i++) {
            check(rows(c.createStatement(find).bind(0, "pump%").bind(1, 1L)),
                List.of("pump1|408553768673342237|2019-05-22T07:09:04.218|null|0",
                    "pump2|408553768673342335|2019-05-22T07:09:04.218|{\"zone\":\"a\"}|0"), "parameters");
        }
        check(rows(c.createStatement("SELECT node_id FROM drainers WHERE commit_time = ?").bind(0, LocalDateTime.parse("2019-05-22T07:09:04.218"))),
            List.of("drainer1"), "a time as parameter");
        check(rows(c.createBatch().add("SELECT 1").add("SELECT COUNT(*) FROM drainers").execute()), List.of("1", "1"), "batch");
        List<String> first = Flux.from(c.createStatement("SELECT column_name FROM information_schema.columns WHERE table_schema = 'binlog'")
            .fetchSize(5).execute()).concatMap(r -> r.map(row -> row.get(0, String.class))).collectList().block(LIMIT);
        check(first.size() > 40, true, first.size() + " columns");
        for (String to : new String[] {"paused", "online"}) {
            check(updated(c.createStatement("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?").bind(0, to).bind(1, NODE).execute()), 0L, "updated");
            check(state(c).toLowerCase(), to, "state");
        }
    }

    private static String state(MySqlConnection c) {
        return String.join(",", rows(c.createStatement("SELECT state FROM pumps WHERE node_id = ?").bind(0, NODE)));
    }

    private static void transactions(MySqlConnection c) {
        c.setTransactionIsolationLevel(IsolationLevel.READ_COMMITTED).block(LIMIT);
        c.beginTransaction().block(LIMIT);
        check(c.isAutoCommit(), false, "autocommit in a transaction");
        c.createSavepoint("a").block(LIMIT);
        c.rollbackTransactionToSavepoint("a").block(LIMIT);
        c.commitTransaction().block(LIMIT);
        c.beginTransaction(MySqlTransactionDefinition.builder().readOnly(true).build()).block(LIMIT);
        refused(1792, "CHANGE in a READ ONLY transaction", () -> Flux.from(c.createStatement("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '"
            + NODE + "'").execute()).concatMap(Result::getRowsUpdated).then());
        c.rollbackTransaction().block(LIMIT);
        check(state(c), "Online", "state after a READ ONLY transaction");
        check(c.validate(ValidationDepth.REMOTE).block(LIMIT), true, "validate");
    }

    private static void errors(MySqlConnection c) {
        for (Object[] bad : new Object[][] {{"SELEC 1", 1064}, {"SELECT * FROM nope", 1146}, {"SELECT nope FROM pumps", 1054},
                {"DELETE FROM pumps", 1235}, {"CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'nope'", 1105}}) {
            refused((int) bad[1], (String) bad[0], () -> Flux.from(c.createStatement((String) bad[0]).execute()).concatMap(Result::getRowsUpdated).then());
        }
    }
}
