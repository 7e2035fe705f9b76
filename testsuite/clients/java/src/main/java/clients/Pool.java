package clients;

import static clients.Console.*;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Works with the console through HikariCP, over both JDBC drivers. */
public final class Pool {
    public static void main(String[] args) throws Exception {
        // Ask each connection whether it is alive, also one that was used a moment ago.
        System.setProperty("com.zaxxer.hikari.aliveBypassWindowMs", "-1");
        version(System.getProperty("version", "?"));
        for (String driver : new String[] {"mysql", "mariadb"}) {
            HikariConfig config = new HikariConfig();
            config.setJdbcUrl("jdbc:" + driver + "://" + HOST + ":" + PORT + "/binlog");
            config.setUsername("root");
            config.setMaximumPoolSize(4);
            config.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
            config.setConnectionInitSql("SET time_zone = '+00:00'");
            config.setConnectionTimeout(60_000);
            try (HikariDataSource pool = new HikariDataSource(config)) {
                manyAtOnce(pool);
                settingsComeBack(pool);
                killed(pool);
            }
            config.setConnectionTestQuery("SELECT 1");
            config.setReadOnly(true);
            config.setAutoCommit(false);
            try (HikariDataSource pool = new HikariDataSource(config); Connection c = pool.getConnection()) {
                check(c.isReadOnly(), true, "read only");
                check(Jdbc.state(c), "Online", "state, read only");
                c.commit();
            }
        }
        did("on Connector/J and on MariaDB Connector/J: more tasks than connections, `CHANGE PUMP`; isolation, autocommit and read-only come back as they were");
        did("a killed connection is replaced; isValid and a test query, a read-only pool");
    }

    private static void manyAtOnce(HikariDataSource pool) throws Exception {
        ExecutorService tasks = Executors.newFixedThreadPool(8);
        List<Future<String>> states = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            states.add(tasks.submit(() -> {
                try (Connection c = pool.getConnection()) {
                    return Jdbc.state(c);
                }
            }));
        }
        for (Future<String> state : states) {
            check(state.get(2, TimeUnit.MINUTES), "Online", "state");
        }
        tasks.shutdown();
        check(pool.getHikariPoolMXBean().getTotalConnections() <= 4, true, "connections");
        try (Connection c = pool.getConnection()) {
            for (String to : new String[] {"paused", "online"}) {
                Jdbc.change(c, to);
                check(Jdbc.state(c).toLowerCase(), to, "state");
            }
        }
    }

    private static void settingsComeBack(HikariDataSource pool) throws Exception {
        for (int i = 0; i < 8; i++) {
            try (Connection c = pool.getConnection()) {
                check(c.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED, "isolation");
                check(List.of(c.getAutoCommit(), c.isReadOnly()), List.of(true, false), "autocommit, read only");
                c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
                c.setAutoCommit(false);
                c.setReadOnly(true);
                check(Jdbc.state(c), "Online", "state");
            }
        }
    }

    /** A connection that an operator kills is not handed out again. */
    private static void killed(HikariDataSource pool) throws Exception {
        List<Connection> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            all.add(pool.getConnection());
        }
        String victim = id(all.get(0));
        try (Statement s = all.get(1).createStatement()) {
            s.execute("KILL " + victim);
        }
        for (Connection c : all) {
            c.close();
        }
        all.clear();
        for (int i = 0; i < 4; i++) {
            all.add(pool.getConnection());
        }
        for (Connection c : all) {
            check(id(c).equals(victim), false, "the killed connection is handed out");
            c.close();
        }
    }

    private static String id(Connection c) throws Exception {
        try (Statement s = c.createStatement(); ResultSet rs = s.executeQuery("SELECT CONNECTION_ID()")) {
            return rows(rs).get(0);
        }
    }
}
