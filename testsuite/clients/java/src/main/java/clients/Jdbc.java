package clients;

import static clients.Console.*;

import java.sql.*;
import java.util.Arrays;
import java.util.List;

/** What a person does with a JDBC driver, whichever it is. */
final class Jdbc {
    private Jdbc() {}

    /**
     * What database tools read about tables before they show them. Drivers differ in the type
     * they make of TINYINT(1), and in whether they find comments.
     */
    static void metadata(Connection c, int typeOfTinyint1, boolean comments) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        check(m.getDatabaseProductName(), "MySQL", "product");
        check(m.getDatabaseProductVersion().contains("TiDB"), true, m.getDatabaseProductVersion());
        check(m.getDatabaseMajorVersion(), 8, "major version");
        check(m.getIdentifierQuoteString(), "`", "quote");
        check(rows(m.getCatalogs(), "TABLE_CAT"), List.of("binlog", "information_schema", "mysql", "performance_schema"), "getCatalogs");
        check(rows(m.getSchemas(), "TABLE_SCHEM"), List.of(), "getSchemas");
        check(rows(m.getTableTypes(), "TABLE_TYPE").contains("TABLE"), true, "getTableTypes");
        check(rows(m.getTables("binlog", null, "%", new String[] {"TABLE"}), "TABLE_NAME"), TABLES, "getTables");
        check(rows(m.getTables("binlog", null, "pump%", null), "TABLE_CAT", "TABLE_NAME", "TABLE_TYPE", "REMARKS"),
            List.of("binlog|pumps|TABLE|" + (comments ? "The pumps of the cluster, offline ones too" : "")), "getTables of pump%");
        check(rows(m.getColumns("binlog", null, "positions", "%"), "COLUMN_NAME", "DATA_TYPE", "IS_NULLABLE"),
            List.of("drainer|12|NO", "pump|12|NO", "position_ts|-5|NO", "position_time|93|YES", "pump_commit_ts|-5|YES",
                "left_seconds|3|YES", "reported_time|93|NO"), "getColumns of positions");
        check(rows(m.getColumns("binlog", null, "pumps", "lag_seconds"), "DATA_TYPE", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE"),
            List.of(Types.DECIMAL + "|20|3|1"), "getColumns of lag_seconds");
        check(rows(m.getColumns("binlog", null, "pumps", "alive"), "DATA_TYPE", "ORDINAL_POSITION", "IS_AUTOINCREMENT"),
            List.of(typeOfTinyint1 + "|4|NO"), "getColumns of alive");
        check(rows(m.getPrimaryKeys("binlog", null, "positions"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"),
            List.of("drainer|1|PRIMARY", "pump|2|PRIMARY"), "getPrimaryKeys");
        check(rows(m.getIndexInfo("binlog", null, "pumps", true, false), "INDEX_NAME", "COLUMN_NAME"), List.of("PRIMARY|node_id"), "getIndexInfo");
        check(rows(m.getBestRowIdentifier("binlog", null, "pumps", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"),
            List.of("node_id"), "getBestRowIdentifier");
        check(rows(m.getImportedKeys("binlog", null, "pumps")), List.of(), "getImportedKeys");
        check(rows(m.getExportedKeys("binlog", null, "pumps")), List.of(), "getExportedKeys");
        check(rows(m.getCrossReference("binlog", null, "pumps", "binlog", null, "positions")), List.of(), "getCrossReference");
        check(rows(m.getVersionColumns("binlog", null, "pumps")), List.of(), "getVersionColumns");
        check(rows(m.getProcedures("binlog", null, "%")), List.of(), "getProcedures");
        check(rows(m.getProcedureColumns("binlog", null, "%", "%")), List.of(), "getProcedureColumns");
        check(rows(m.getFunctions("binlog", null, "%")), List.of(), "getFunctions");
        check(rows(m.getTablePrivileges("binlog", null, "%")), List.of(), "getTablePrivileges");
        check(rows(m.getColumnPrivileges("binlog", null, "pumps", "%")), List.of(), "getColumnPrivileges");
        check(rows(m.getTypeInfo(), "TYPE_NAME").contains("BIGINT"), true, "getTypeInfo");
        check(m.getSQLKeywords().isEmpty(), false, "getSQLKeywords");
    }

    /** What a result says of its columns. */
    static void resultMetadata(Connection c) throws SQLException {
        try (Statement s = c.createStatement();
                ResultSet rs = s.executeQuery("SELECT node_id AS id, max_commit_ts, lag_seconds, commit_time, COUNT(*) AS n FROM pumps GROUP BY 1, 2, 3, 4 LIMIT 1")) {
            ResultSetMetaData m = rs.getMetaData();
            check(List.of(m.getColumnLabel(1), m.getColumnName(1), m.getTableName(1), m.getCatalogName(1)),
                List.of("id", "node_id", "pumps", "binlog"), "names");
            check(List.of(m.getColumnType(1), m.getColumnType(2), m.getColumnType(3), m.getColumnType(4), m.getColumnType(5)),
                List.of(Types.VARCHAR, Types.BIGINT, Types.DECIMAL, Types.TIMESTAMP, Types.BIGINT), "types");
            check(List.of(m.getPrecision(3), m.getScale(3), m.isNullable(1), m.isNullable(3)),
                List.of(20, 3, ResultSetMetaData.columnNoNulls, ResultSetMetaData.columnNullable), "precision, scale and NULL");
            check(m.getColumnDisplaySize(1) >= 255, true, "display size");
        }
    }

    /** SHOW, SELECT with parameters, CHANGE and what it does. */
    static void statements(Connection c) throws SQLException {
        try (Statement s = c.createStatement()) {
            check(rows(s.executeQuery("SHOW PUMP STATUS LIKE 'pump%'"), "NodeID", "Address", "State", "Max_Commit_Ts", "Update_Time"),
                List.of("pump1|127.0.0.1:8250|Online|408553768673342237|2019-05-22 07:09:04",
                    "pump2|127.0.0.2:8250|Online|408553768673342335|2019-05-22 07:09:04"), "SHOW PUMP STATUS");
            check(rows(s.executeQuery("SELECT CONVERT('é' USING latin1), 'ü中'")), List.of("é|ü中"), "texts of two character sets");
        }
        try (PreparedStatement find = c.prepareStatement("SELECT node_id, max_commit_ts, commit_time, lag_seconds, labels, alive"
                + " FROM pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY 1")) {
            check(find.getParameterMetaData().getParameterCount(), 2, "parameters");
            for (int i = 0; i < 3; i++) {
                find.setString(1, "pump%");
                find.setLong(2, 1);
                try (ResultSet rs = find.executeQuery()) {
                    check(rs.next() && rs.next(), true, "two rows");
                    check(rs.getString(1) + " " + rs.getLong("max_commit_ts") + " " + rs.getString("labels"),
                        "pump2 408553768673342335 {\"zone\":\"a\"}", "row");
                    check(rs.getObject("commit_time", java.time.LocalDateTime.class).toString(), "2019-05-22T07:09:04.218", "commit_time");
                    check(rs.getBigDecimal("lag_seconds").scale(), 3, "lag_seconds");
                    check(rs.getBoolean("alive"), false, "alive");
                    check(rs.next(), false, "end");
                }
            }
            find.setString(1, "nope");
            find.setNull(2, Types.BIGINT);
            check(rows(find.executeQuery()), List.of(), "no rows");
        }
        try (PreparedStatement same = c.prepareStatement("SELECT node_id FROM drainers WHERE commit_time = ? AND max_commit_ts = ?")) {
            same.setObject(1, java.time.LocalDateTime.parse("2019-05-22T07:09:04.218"));
            same.setBigDecimal(2, new java.math.BigDecimal("408553768673342532"));
            check(rows(same.executeQuery()), List.of("drainer1"), "a time and a decimal as parameters");
        }
        for (String to : new String[] {"paused", "online"}) {
            change(c, to);
            check(state(c).toLowerCase(), to, "state");
        }
    }

    /** Changes this program's own pump. */
    static void change(Connection c, String to) throws SQLException {
        try (PreparedStatement change = c.prepareStatement("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?")) {
            change.setString(1, to);
            change.setString(2, NODE);
            check(change.executeUpdate(), 0, "updated");
        }
    }

    static String state(Connection c) throws SQLException {
        try (PreparedStatement state = c.prepareStatement("SELECT state FROM pumps WHERE node_id = ?")) {
            state.setString(1, NODE);
            return String.join(",", rows(state.executeQuery()));
        }
    }

    /** Many rows, read a few at a time, are the same as at once. */
    static void fetching(Connection c, int size) throws SQLException {
        String all = "SELECT table_name, ordinal_position, column_name, column_type FROM information_schema.columns"
            + " WHERE table_schema = ? ORDER BY 1, 2";
        try (PreparedStatement whole = c.prepareStatement(all); PreparedStatement few = c.prepareStatement(all)) {
            whole.setFetchSize(0);
            whole.setString(1, "binlog");
            few.setFetchSize(size);
            few.setString(1, "binlog");
            List<String> want = rows(whole.executeQuery());
            check(want.size() > 40, true, want.size() + " columns");
            check(rows(few.executeQuery()), want, "fetched by " + size);
        }
    }

    /** Orders in batches, and the state that the last one leaves. */
    static void batches(Connection c) throws SQLException {
        try (PreparedStatement change = c.prepareStatement("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?")) {
            for (String to : new String[] {"paused", "online", "paused", "online", "paused"}) {
                change.setString(1, to);
                change.setString(2, NODE);
                change.addBatch();
            }
            check(Arrays.stream(change.executeBatch()).filter(n -> n <= 0).count(), 5L, "batch");
        }
        check(state(c), "Paused", "state after a batch");
        try (Statement s = c.createStatement()) {
            for (String to : new String[] {"online", "paused", "online", "paused", "online"}) {
                s.addBatch("CHANGE PUMP TO NODE_STATE = '" + to + "' FOR NODE_ID '" + NODE + "'");
            }
            check(s.executeBatch().length, 5, "batch of texts");
        }
        check(state(c), "Online", "state after a batch of texts");
    }

    static void transactions(Connection c) throws Exception {
        c.setAutoCommit(false);
        c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        check(c.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED, "isolation");
        change(c, "paused");
        c.commit();
        Savepoint before = c.setSavepoint("before");
        change(c, "online");
        c.rollback(before);
        c.rollback();
        check(state(c), "Online", "state after a rollback: a CHANGE is no part of a transaction");
        c.commit();
        c.setReadOnly(true);
        check(rows(c.createStatement().executeQuery("SELECT @@session.transaction_read_only")), List.of("1"), "setReadOnly");
        c.rollback();
        c.setReadOnly(false);
        c.setAutoCommit(true);
        try (Statement s = c.createStatement()) {
            s.execute("START TRANSACTION READ ONLY");
            refused(1792, "CHANGE in a READ ONLY transaction",
                () -> s.execute("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID '" + NODE + "'"));
            s.execute("ROLLBACK");
        }
        check(state(c), "Online", "state after a READ ONLY transaction");
        c.setCatalog("information_schema");
        check(c.getCatalog(), "information_schema", "catalog");
        c.setCatalog("binlog");
        check(c.isValid(30), true, "isValid");
    }

    static void errors(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            check(refused(1064, "SELEC", () -> s.execute("SELEC 1")) instanceof SQLSyntaxErrorException, true, "class of 1064");
            check(refused(1146, "no table", () -> s.execute("SELECT * FROM nope")).getSQLState(), "42S02", "SQLSTATE of 1146");
            check(refused(1054, "no column", () -> s.execute("SELECT nope FROM pumps")).getSQLState(), "42S22", "SQLSTATE of 1054");
            refused(1049, "no database", () -> s.execute("USE nope"));
            refused(1235, "INSERT", () -> s.executeUpdate("INSERT INTO pumps (node_id) VALUES ('x')"));
            refused(1105, "no node", () -> s.execute("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'nope'"));
            check(rows(s.executeQuery("SELECT CAST('12x' AS SIGNED)")), List.of("12"), "cast");
            check(s.getWarnings().getErrorCode(), 1292, "getWarnings");
        }
    }

    /** A statement that lasts longer than its time is ended, and the connection goes on. */
    static void timeout(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            try {
                s.executeQuery("SELECT SLEEP(600)").close();
                throw new IllegalStateException("a statement that lasts 600 s ended in time");
            } catch (SQLTimeoutException e) {
                check(e.getMessage().isEmpty(), false, "message of a timeout");
            }
        }
        check(rows(c.createStatement().executeQuery("SELECT 1")), List.of("1"), "after a timeout");
    }

    /** Logs in as each user over each URL; a wrong password is refused. */
    static void logins(String[] urls, String cipher) throws Exception {
        for (String url : urls) {
            for (String user : USERS) {
                try (Connection c = DriverManager.getConnection(url, user, PASSWORD)) {
                    List<String> who = rows(c.createStatement().executeQuery("SELECT CURRENT_USER()"));
                    check(who, List.of(user + "@%"), "CURRENT_USER()");
                    String used = rows(c.createStatement().executeQuery("SHOW STATUS LIKE 'Ssl_cipher'"), "Value").get(0);
                    check(!used.isEmpty(), url.contains(cipher), "TLS with " + url);
                }
                refused(1045, "a wrong password", () -> DriverManager.getConnection(url, user, "wrong"));
            }
        }
    }
}
