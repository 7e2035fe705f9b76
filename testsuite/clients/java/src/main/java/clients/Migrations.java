package clients;

import static clients.Console.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.MigrationInfo;
import org.flywaydb.core.api.output.ValidateResult;

/** Points Flyway at the console: it may look, and its first write is refused with a reason. */
public final class Migrations {
    public static void main(String[] args) throws Exception {
        version(org.flywaydb.core.internal.license.VersionPrinter.getVersion());
        Path scripts = Files.createTempDirectory("flyway");
        Files.writeString(scripts.resolve("V2__more.sql"), "CREATE TABLE more (id INT);\n");
        for (String driver : new String[] {"mysql", "mariadb"}) {
            Flyway flyway = Flyway.configure()
                .dataSource("jdbc:" + driver + "://" + HOST + ":" + PORT + "/binlog", "root", "")
                .locations("filesystem:" + scripts)
                .baselineOnMigrate(true)
                .load();
            MigrationInfo[] all = flyway.info().all();
            check(all.length, 1, "migrations");
            check(all[0].getState().getDisplayName(), "Pending", "state of V2");
            ValidateResult result = flyway.validateWithResult();
            check(result.validationSuccessful, false, "validate");
            check(result.invalidMigrations.get(0).version, "2", "what is invalid");
            try {
                flyway.migrate();
                throw new IllegalStateException("migrate: no error");
            } catch (FlywayException e) {
                Throwable cause = e;
                while (cause != null && !(cause instanceof SQLException)) {
                    cause = cause.getCause();
                }
                if (cause == null) {
                    throw new IllegalStateException("migrate failed without an error of the server", e);
                }
                check(((SQLException) cause).getErrorCode(), 1235, "error of migrate");
                check(e.getMessage().contains("Pumphouse"), true, "the message names the server: " + e.getMessage());
            }
        }
        Files.delete(scripts.resolve("V2__more.sql"));
        Files.delete(scripts);
        did("info and validate, through Connector/J and MariaDB Connector/J; migrate fails with 1235 and names the console");
    }
}
