//! Works with the console through sqlx. HOST, PORT and NODE (a pump to change) are in the
//! environment, TLS_PORT and PASSWORD for the console with users.

use chrono::{NaiveDate, NaiveDateTime};
use clients::{check, did, env, version, CHANGE, PUMPS, REFUSED, USERS};
use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Column, Connection, Executor, MySqlPool, Row, SqlStr, Statement, TypeInfo};

type Outcome<T> = Result<T, sqlx::Error>;

fn number(err: &sqlx::Error) -> u16 {
    match err {
        sqlx::Error::Database(e) => e.downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number(),
        other => panic!("no error of the server: {other}"),
    }
}

async fn state(pool: &MySqlPool, node: &str) -> Outcome<String> {
    sqlx::query_scalar("SELECT state FROM pumps WHERE node_id = ?").bind(node).fetch_one(pool).await
}

async fn reading(pool: &MySqlPool) -> Outcome<()> {
    let rows: Vec<(String, String, String, i64, String)> = sqlx::query_as("SHOW PUMP STATUS LIKE 'pump%'").fetch_all(pool).await?;
    let got: Vec<_> = rows.iter().map(|r| (r.0.as_str(), r.1.as_str(), r.2.as_str(), r.3, r.4.as_str())).collect();
    check(got, PUMPS, "SHOW PUMP STATUS");
    let at = NaiveDate::from_ymd_opt(2019, 5, 22).and_then(|d| d.and_hms_milli_opt(7, 9, 4, 218)).expect("a time");
    for _ in 0..3 {
        let found: Vec<(String, i64, NaiveDateTime, Option<String>, bool)> = sqlx::query_as(
            "SELECT node_id, max_commit_ts, commit_time, labels, alive FROM pumps WHERE node_id LIKE ? AND commit_time = ? ORDER BY 1 DESC",
        )
        .bind("pump%")
        .bind(at)
        .fetch_all(pool)
        .await?;
        let want = [
            ("pump2".to_string(), 408553768673342335, at, Some(r#"{"zone":"a"}"#.to_string()), false),
            ("pump1".to_string(), 408553768673342237, at, None, false),
        ];
        check(found, want, "parameters");
    }
    let n: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pumps WHERE node_id LIKE ?").bind("pump_").fetch_one(pool).await?;
    check(n, 3, "COUNT(*)");
    let none: Option<(String,)> = sqlx::query_as("SELECT node_id FROM pumps WHERE node_id = ?").bind(None::<String>).fetch_optional(pool).await?;
    check(none, None, "= NULL");
    let mut columns = 0;
    let mut stream = sqlx::query("SELECT column_name FROM information_schema.columns WHERE table_schema = 'binlog'").fetch(pool);
    while let Some(row) = stream.try_next().await? {
        let _: String = row.try_get(0)?;
        columns += 1;
    }
    check(columns > 40, true, "columns in a stream");
    let described = pool.prepare(SqlStr::from_static("SELECT address, max_commit_ts, lag_seconds FROM pumps WHERE node_id = ?")).await?;
    let types: Vec<_> = described.columns().iter().map(|c| (c.name(), c.type_info().name().to_string())).collect();
    check(types, [("address", "VARCHAR".to_string()), ("max_commit_ts", "BIGINT".to_string()), ("lag_seconds", "DECIMAL".to_string())], "columns of a prepared statement");
    Ok(())
}

async fn orders(pool: &MySqlPool, node: &str) -> Outcome<()> {
    for (to, shown) in [("paused", "Paused"), ("online", "Online")] {
        let done = sqlx::query(CHANGE).bind(to).bind(node).execute(pool).await?;
        check(done.rows_affected(), 0, "rows affected");
        check(state(pool, node).await?, shown, "state");
    }
    let mut tx = pool.begin().await?;
    sqlx::query(CHANGE).bind("paused").bind(node).execute(&mut *tx).await?;
    let mut inner = tx.begin().await?; // a savepoint
    sqlx::query(CHANGE).bind("online").bind(node).execute(&mut *inner).await?;
    inner.rollback().await?;
    tx.commit().await?;
    check(state(pool, node).await?, "Online", "state after a transaction");
    let mut tx = pool.begin_with("START TRANSACTION READ ONLY").await?;
    let refused = sqlx::query(CHANGE).bind("paused").bind(node).execute(&mut *tx).await.expect_err("CHANGE in a READ ONLY transaction");
    check(number(&refused), 1792, "CHANGE in a READ ONLY transaction");
    tx.rollback().await?;
    check(state(pool, node).await?, "Online", "state after a READ ONLY transaction");
    let mut several = sqlx::raw_sql("SELECT 1; SELECT 2").fetch(pool);
    let mut got = Vec::new();
    while let Some(row) = several.try_next().await? {
        got.push(row.try_get::<i64, _>(0)?);
    }
    check(got, [1, 2], "several");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    version("sqlx");
    let node = env("NODE");
    let port = |name: &str| env(name).parse::<u16>().expect("a port");
    let to = MySqlConnectOptions::new().host(&env("HOST")).port(port("PORT")).username("root").database("binlog");
    let pool = MySqlPoolOptions::new().max_connections(3).test_before_acquire(true).connect_with(to).await?;
    reading(&pool).await?;
    did("a pool; `SHOW PUMP STATUS`, prepared SELECT with parameters, NULL, dates; streams, columns of a prepared statement");
    orders(&pool, &node).await?;
    did("`CHANGE PUMP`, transactions, savepoints, READ ONLY refuses it, several results");
    for (sql, want) in REFUSED {
        let refused = sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.expect_err(sql);
        check(number(&refused), want, sql);
    }
    did("errors by number");
    pool.close().await;
    for user in USERS {
        let login = MySqlConnectOptions::new().host(&env("HOST")).port(port("TLS_PORT")).username(user);
        let mut conn = MySqlConnection::connect_with(&login.clone().password(&env("PASSWORD"))).await?;
        let who: String = sqlx::query_scalar("SELECT CURRENT_USER()").fetch_one(&mut conn).await?;
        check(who, format!("{user}@%"), "CURRENT_USER()");
        conn.ping().await?;
        conn.close().await?;
        let refused = MySqlConnection::connect_with(&login.password("wrong")).await.expect_err("a wrong password");
        check(number(&refused), 1045, "a wrong password");
    }
    did("login by caching_sha2_password (encrypted with the server's key) and mysql_native_password");
    Ok(())
}
