package clients;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;

/**
 * What the programs of this module share: where the consoles are, and checks that end a
 * program which sees something else than it should.
 */
final class Console {
    /** The console without users: root without a password. */
    static final String HOST = System.getenv("HOST");
    static final int PORT = Integer.parseInt(System.getenv("PORT"));

    /**
     * The console with TLS and with two users, of one password: sha2 logs in by
     * caching_sha2_password and native by mysql_native_password.
     */
    static final int TLS_PORT = Integer.parseInt(System.getenv("TLS_PORT"));
    static final String CA = System.getenv("CA");
    static final String PASSWORD = System.getenv("PASSWORD");
    static final List<String> USERS = List.of("sha2", "native");

    /** A pump that only this program changes. */
    static final String NODE = System.getenv("NODE");

    static final List<String> TABLES = List.of("drainers", "events", "positions", "pumps", "standbys", "unresolved");

    private Console() {}

    static void check(Object got, Object want, String what) {
        if (!Objects.equals(got, want)) {
            throw new IllegalStateException(what + ": " + got + ", want " + want);
        }
    }

    static void version(String version) {
        System.out.println("version " + version);
    }

    static void did(String what) {
        System.out.println("did " + what);
    }

    /** Runs what the server must refuse with that error number, and returns the error. */
    static SQLException refused(int number, String what, Callable<?> action) throws Exception {
        try {
            action.call();
        } catch (SQLException e) {
            if (e.getErrorCode() != number) {
                throw new IllegalStateException(what + ": want error " + number, e);
            }
            return e;
        }
        throw new IllegalStateException(what + ": no error, want " + number);
    }

    /** All rows of a result, the values of the named columns (or of all) joined by |. */
    static List<String> rows(ResultSet rs, String... names) throws SQLException {
        List<String> out = new ArrayList<>();
        while (rs.next()) {
            List<String> row = new ArrayList<>();
            if (names.length == 0) {
                for (int i = 1; i <= rs.getMetaData().getColumnCount(); i++) {
                    row.add(rs.getString(i));
                }
            }
            for (String name : names) {
                row.add(rs.getString(name));
            }
            out.add(String.join("|", row));
        }
        rs.close();
        return out;
    }
}
