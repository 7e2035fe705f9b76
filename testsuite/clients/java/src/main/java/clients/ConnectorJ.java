package clients;

import static clients.Console.*;

import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import java.util.Properties;

/** Works with the console through MySQL Connector/J. */
public final class ConnectorJ {
    private static final String URL = "jdbc:mysql://" + HOST + ":" + PORT + "/binlog?user=root";

    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection(URL)) {
            version(c.getMetaData().getDriverVersion().replaceAll("^mysql-connector-j-([0-9.]+).*", "$1"));
        }
        for (boolean schema : new boolean[] {true, false}) {
            try (Connection c = DriverManager.getConnection(URL + "&useInformationSchema=" + schema)) {
                Jdbc.metadata(c, Types.BIT, schema);
                Jdbc.resultMetadata(c);
            }
        }
        did("DatabaseMetaData (getTables, getColumns, keys, indexes, types, privileges, …) with useInformationSchema and without; ResultSetMetaData");
        for (String prepares : new String[] {"useServerPrepStmts=false", "useServerPrepStmts=true&cachePrepStmts=true",
                "useServerPrepStmts=true&useCompression=true"}) {
            try (Connection c = DriverManager.getConnection(URL + "&" + prepares)) {
                Jdbc.statements(c);
            }
        }
        did("`SHOW PUMP STATUS`, PreparedStatement, `CHANGE PUMP`, prepared by the driver, by the server (useServerPrepStmts), compressed");
        try (Connection c = DriverManager.getConnection(URL + "&useCursorFetch=true")) {
            Jdbc.statements(c);
            Jdbc.fetching(c, 2);
        }
        try (Connection c = DriverManager.getConnection(URL)) {
            Jdbc.fetching(c, Integer.MIN_VALUE);
        }
        did("useCursorFetch with setFetchSize, streaming");
        for (String rewrite : new String[] {"rewriteBatchedStatements=true", "rewriteBatchedStatements=true&useServerPrepStmts=true", "allowMultiQueries=true"}) {
            try (Connection c = DriverManager.getConnection(URL + "&" + rewrite)) {
                Jdbc.batches(c);
            }
        }
        did("rewriteBatchedStatements with `CHANGE PUMP`");
        try (Connection c = DriverManager.getConnection(URL)) {
            Jdbc.transactions(c);
            did("transactions, isolation, savepoints, setReadOnly, READ ONLY refuses `CHANGE`, setCatalog, isValid");
            Jdbc.errors(c);
            Jdbc.timeout(c);
            did("errors by number and class, warnings, setQueryTimeout");
            com.mysql.cj.jdbc.JdbcConnection own = c.unwrap(com.mysql.cj.jdbc.JdbcConnection.class);
            own.resetServerState();
            own.changeUser("root", "");
            own.ping();
        }
        several();
        did("resetServerState, changeUser, allowMultiQueries");
        String tls = "jdbc:mysql://" + HOST + ":" + TLS_PORT + "/binlog?", trust = trustStore();
        Jdbc.logins(new String[] {tls + "sslMode=VERIFY_IDENTITY&trustCertificateKeyStoreUrl=" + trust + "&trustCertificateKeyStorePassword=changeit",
            tls + "sslMode=DISABLED&allowPublicKeyRetrieval=true"}, "VERIFY_IDENTITY");
        did("login by caching_sha2_password and mysql_native_password, over TLS with sslMode=VERIFY_IDENTITY and without");
    }

    private static void several() throws Exception {
        Properties p = new Properties();
        p.setProperty("allowMultiQueries", "true");
        p.setProperty("sessionVariables", "sql_mode='ANSI_QUOTES',time_zone='+08:00'");
        try (Connection c = DriverManager.getConnection(URL, p); Statement s = c.createStatement()) {
            check(s.execute("SELECT 1 AS \"a\"; SHOW DRAINER STATUS"), true, "several");
            check(rows(s.getResultSet()), List.of("1"), "first");
            check(s.getMoreResults(), true, "more");
            try (ResultSet second = s.getResultSet()) {
                check(second.next() && second.getString("Update_Time").equals("2019-05-22 15:09:04"), true, "second, in the session's time zone");
            }
        }
    }

    /** The authority's certificate as a store that Java reads. */
    private static String trustStore() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream in = new FileInputStream(CA)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        Path file = Files.createTempFile("trust", ".p12");
        file.toFile().deleteOnExit();
        try (OutputStream out = Files.newOutputStream(file)) {
            store.store(out, "changeit".toCharArray());
        }
        return file.toUri().toString();
    }
}
