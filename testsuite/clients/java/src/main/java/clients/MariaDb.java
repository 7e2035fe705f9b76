package clients;

import static clients.Console.*;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import org.mariadb.jdbc.MariaDbPoolDataSource;

/** Works with the console through MariaDB Connector/J 3. */
public final class MariaDb {
    private static final String URL = "jdbc:mariadb://" + HOST + ":" + PORT + "/binlog?user=root";

    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection(URL)) {
            version(c.getMetaData().getDriverVersion());
            Jdbc.metadata(c, Types.BOOLEAN, true);
            Jdbc.resultMetadata(c);
        }
        did("DatabaseMetaData (getTables, getColumns, keys, indexes, types, privileges, …), ResultSetMetaData");
        for (String prepares : new String[] {"useServerPrepStmts=false", "useServerPrepStmts=true", "useServerPrepStmts=true&useCompression=true"}) {
            try (Connection c = DriverManager.getConnection(URL + "&" + prepares)) {
                Jdbc.statements(c);
                Jdbc.fetching(c, 2);
                Jdbc.batches(c);
            }
        }
        did("`SHOW PUMP STATUS`, PreparedStatement, `CHANGE PUMP` singly and in batches, setFetchSize, prepared by the driver, by the server, compressed");
        try (Connection c = DriverManager.getConnection(URL)) {
            Jdbc.transactions(c);
            did("transactions, isolation, savepoints, setReadOnly, READ ONLY refuses `CHANGE`, setCatalog, isValid");
            Jdbc.errors(c);
            Jdbc.timeout(c);
            did("errors by number and class, warnings, setQueryTimeout");
        }
        try (Connection c = DriverManager.getConnection(URL + "&allowMultiQueries=true"); Statement s = c.createStatement()) {
            check(s.execute("SELECT 1 AS a; SHOW DRAINER STATUS"), true, "several");
            check(rows(s.getResultSet()), List.of("1"), "first");
            check(s.getMoreResults(), true, "more");
            check(rows(s.getResultSet(), "NodeID"), List.of("drainer1"), "second");
        }
        try (MariaDbPoolDataSource pool = new MariaDbPoolDataSource(URL + "&maxPoolSize=2")) {
            for (int i = 0; i < 5; i++) {
                try (Connection c = pool.getConnection(); Statement s = c.createStatement()) {
                    check(rows(s.executeQuery("SELECT node_id FROM drainers")), List.of("drainer1"), "pooled");
                }
            }
        }
        did("several results, its own pool");
        String tls = "jdbc:mariadb://" + HOST + ":" + TLS_PORT + "/binlog?";
        Jdbc.logins(new String[] {tls + "sslMode=verify-full&serverSslCert=" + CA,
            tls + "sslMode=disable&allowPublicKeyRetrieval=true"}, "verify-full");
        did("login by caching_sha2_password and mysql_native_password, over TLS with sslMode=verify-full and without");
    }
}
