import java.sql.*;
import java.util.*;

/**
 * Works with the console through MariaDB Connector/J. HOST, PORT and NODE (a pump to
 * change) are in the environment.
 */
public class Jdbc {
    static void check(Object got, Object want, String what) {
        if (!Objects.equals(got, want)) {
            throw new IllegalStateException(what + ": " + got + ", want " + want);
        }
    }

    static void did(String what) {
        System.out.println("did " + what);
    }

    /** Values of one column of a result. */
    static List<String> column(ResultSet rs, String name) throws SQLException {
        List<String> out = new ArrayList<>();
        while (rs.next()) {
            out.add(rs.getString(name));
        }
        rs.close();
        return out;
    }

    public static void main(String[] args) throws Exception {
        String url = "jdbc:mariadb://" + System.getenv("HOST") + ":" + System.getenv("PORT") + "/binlog?user=root";
        for (boolean server : new boolean[] {false, true}) {
            try (Connection c = DriverManager.getConnection(url + "&useServerPrepStmts=" + server)) {
                if (!server) {
                    System.out.println("version " + c.getMetaData().getDriverVersion());
                    metadata(c);
                }
                statements(c);
                did(server ? "the same with useServerPrepStmts=true" : "PreparedStatement, `CHANGE PUMP`");
            }
        }
        try (Connection c = DriverManager.getConnection(url + "&allowMultiQueries=true&useCompression=false")) {
            manners(c);
        }
    }

    static void metadata(Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        check(m.getDatabaseProductVersion().contains("TiDB"), true, m.getDatabaseProductVersion());
        check(m.getDatabaseMajorVersion(), 8, "major version");
        check(column(m.getCatalogs(), "TABLE_CAT"), List.of("binlog", "information_schema", "mysql", "performance_schema"), "getCatalogs");
        check(column(m.getSchemas(), "TABLE_SCHEM"), List.of(), "getSchemas");
        check(column(m.getTables("binlog", null, "%", new String[] {"TABLE"}), "TABLE_NAME"),
            List.of("drainers", "events", "positions", "pumps", "standbys", "unresolved"), "getTables");
        check(column(m.getTables("binlog", null, "pump%", null), "REMARKS"), List.of("The pumps of the cluster, offline ones too"), "remarks");
        check(column(m.getColumns("binlog", null, "positions", "%"), "COLUMN_NAME"), List.of("drainer", "pump", "position_ts",
            "position_time", "pump_commit_ts", "left_seconds", "reported_time"), "getColumns");
        ResultSet col = m.getColumns("binlog", null, "pumps", "lag_seconds");
        check(col.next(), true, "lag_seconds");
        check(List.of(col.getInt("DATA_TYPE"), col.getInt("COLUMN_SIZE"), col.getInt("DECIMAL_DIGITS"), col.getString("IS_NULLABLE")),
            List.of(Types.DECIMAL, 20, 3, "YES"), "getColumns of lag_seconds");
        check(column(m.getPrimaryKeys("binlog", null, "positions"), "COLUMN_NAME"), List.of("drainer", "pump"), "getPrimaryKeys");
        check(column(m.getIndexInfo("binlog", null, "pumps", false, false), "COLUMN_NAME"), List.of("node_id"), "getIndexInfo");
        check(column(m.getImportedKeys("binlog", null, "pumps"), "FKTABLE_NAME"), List.of(), "getImportedKeys");
        check(column(m.getExportedKeys("binlog", null, "pumps"), "FKTABLE_NAME"), List.of(), "getExportedKeys");
        check(column(m.getBestRowIdentifier("binlog", null, "pumps", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"),
            List.of("node_id"), "getBestRowIdentifier");
        check(column(m.getTypeInfo(), "TYPE_NAME").contains("BIGINT"), true, "getTypeInfo");
        check(column(m.getTableTypes(), "TABLE_TYPE").contains("TABLE"), true, "getTableTypes");
        check(column(m.getProcedures("binlog", null, "%"), "PROCEDURE_NAME"), List.of(), "getProcedures");
        check(column(m.getFunctions("binlog", null, "%"), "FUNCTION_NAME"), List.of(), "getFunctions");
        check(column(m.getColumnPrivileges("binlog", null, "pumps", "%"), "COLUMN_NAME"), List.of(), "getColumnPrivileges");
        check(column(m.getTablePrivileges("binlog", null, "%"), "TABLE_NAME"), List.of(), "getTablePrivileges");
        check(m.getMaxConnections() > 0 || m.getMaxConnections() == 0, true, "getMaxConnections");
        check(m.getIdentifierQuoteString(), "`", "quote");
        did("DatabaseMetaData: catalogs, tables, columns, keys, indexes, types, procedures, privileges");
    }

    static void statements(Connection c) throws SQLException {
        try (PreparedStatement find = c.prepareStatement(
                "SELECT node_id, max_commit_ts, commit_time, lag_seconds, labels, alive FROM pumps WHERE node_id LIKE ? AND max_commit_ts > ? ORDER BY 1")) {
            for (int i = 0; i < 3; i++) {
                find.setString(1, "pump%");
                find.setLong(2, 1);
                ResultSet rs = find.executeQuery();
                check(rs.next() && rs.next(), true, "two rows");
                check(rs.getString(1) + " " + rs.getLong("max_commit_ts") + " " + rs.getString("labels"),
                    "pump2 408553768673342335 {\"zone\":\"a\"}", "row");
                check(rs.getTimestamp("commit_time").toLocalDateTime().toString(), "2019-05-22T07:09:04.218", "commit_time");
                check(rs.getBigDecimal("lag_seconds").scale(), 3, "lag_seconds");
                check(rs.getBoolean("alive"), false, "alive");
                check(rs.next(), false, "end");
            }
            check(find.getMetaData().getColumnTypeName(2), "BIGINT", "column type");
            check(find.getParameterMetaData().getParameterCount(), 2, "parameters");
        }
        try (PreparedStatement change = c.prepareStatement("CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?");
                PreparedStatement state = c.prepareStatement("SELECT state FROM pumps WHERE node_id = ?")) {
            for (String to : new String[] {"paused", "online"}) {
                change.setString(1, to);
                change.setString(2, System.getenv("NODE"));
                check(change.executeUpdate(), 0, "updated");
                state.setString(1, System.getenv("NODE"));
                check(column(state.executeQuery(), "state").get(0).toLowerCase(), to, "state");
            }
        }
    }

    static void manners(Connection c) throws SQLException {
        c.setAutoCommit(false);
        c.setReadOnly(true);
        c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        check(c.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED, "isolation");
        c.commit();
        c.rollback();
        c.setAutoCommit(true);
        c.setCatalog("information_schema");
        check(c.getCatalog(), "information_schema", "catalog");
        c.setCatalog("binlog");
        check(c.isValid(5), true, "isValid");
        did("autocommit, isolation, setReadOnly, setCatalog, isValid");
        try (Statement s = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
            s.setFetchSize(1);
            s.setQueryTimeout(30);
            check(column(s.executeQuery("SHOW PUMP STATUS LIKE 'pump%'"), "NodeID"), List.of("pump1", "pump2"), "fetch size 1");
            check(s.execute("SELECT 1 AS a; SHOW DRAINER STATUS"), true, "several");
            check(column(s.getResultSet(), "a"), List.of("1"), "first");
            check(s.getMoreResults(), true, "more");
            check(column(s.getResultSet(), "NodeID"), List.of("drainer1"), "second");
            for (Object[] bad : new Object[][] {{"SELEC 1", 1064}, {"SELECT * FROM nope", 1146}, {"SELECT nope FROM pumps", 1054}}) {
                try {
                    s.execute((String) bad[0]);
                    throw new IllegalStateException(bad[0] + ": no error");
                } catch (SQLException e) {
                    check(e.getErrorCode(), bad[1], (String) bad[0]);
                }
            }
        }
        did("setFetchSize, setQueryTimeout, several results, errors by number");
    }
}
