//! Works with the console through mysql_async. HOST, PORT and NODE (a pump to change) are in
//! the environment, TLS_PORT and PASSWORD for the console with users.

use chrono::NaiveDate;
use clients::{check, did, env, version, CHANGE, PUMPS, REFUSED, USERS};
use mysql_async::prelude::*;
use mysql_async::{Compression, Conn, Error, IsolationLevel, OptsBuilder, Pool, Result, TxOpts, Value};

fn number(err: &Error) -> u16 {
    match err {
        Error::Server(e) => e.code,
        other => panic!("no error of the server: {other}"),
    }
}

fn plain() -> OptsBuilder {
    OptsBuilder::default().ip_or_hostname(env("HOST")).prefer_socket(false)
}

async fn state(conn: &mut Conn, node: &str) -> Result<Option<String>> {
    conn.exec_first("SELECT state FROM pumps WHERE node_id = ?", (node,)).await
}

async fn reading(conn: &mut Conn) -> Result<()> {
    let rows: Vec<(String, String, String, i64, String)> = conn.query("SHOW PUMP STATUS LIKE 'pump%'").await?;
    let got: Vec<_> = rows.iter().map(|r| (r.0.as_str(), r.1.as_str(), r.2.as_str(), r.3, r.4.as_str())).collect();
    check(got, PUMPS, "SHOW PUMP STATUS");
    let at = NaiveDate::from_ymd_opt(2019, 5, 22).and_then(|d| d.and_hms_milli_opt(7, 9, 4, 218)).expect("a time");
    let find = conn.prep("SELECT node_id, max_commit_ts, labels FROM pumps WHERE node_id LIKE :name AND commit_time = :at ORDER BY 1").await?;
    for _ in 0..3 {
        let found: Vec<(String, i64, Option<String>)> = conn.exec(&find, params! { "name" => "pump%", "at" => Value::from(at) }).await?;
        let want = [("pump1".to_string(), 408553768673342237, None), ("pump2".to_string(), 408553768673342335, Some(r#"{"zone":"a"}"#.to_string()))];
        check(found, want, "named parameters");
    }
    conn.close(find).await?;
    let time: Option<chrono::NaiveDateTime> = conn.exec_first("SELECT commit_time FROM drainers WHERE max_commit_ts > ?", (1,)).await?;
    check(time, Some(at), "a time");
    let columns: Vec<String> = conn.exec("SELECT column_name FROM information_schema.columns WHERE table_schema = ?", ("binlog",)).await?;
    check(columns.len() > 40, true, "columns");
    Ok(())
}

async fn orders(conn: &mut Conn, node: &str) -> Result<()> {
    for (to, shown) in [("paused", "Paused"), ("online", "Online")] {
        conn.exec_drop(CHANGE, (to, node)).await?;
        check(conn.affected_rows(), 0, "affected rows");
        check(state(conn, node).await?, Some(shown.to_string()), "state");
    }
    conn.exec_batch(CHANGE, ["paused", "online", "paused"].map(|to| (to, node))).await?;
    check(state(conn, node).await?, Some("Paused".to_string()), "state after a batch");
    let mut tx = conn.start_transaction(TxOpts::new().with_isolation_level(IsolationLevel::ReadCommitted).to_owned()).await?;
    tx.exec_drop(CHANGE, ("online", node)).await?;
    tx.commit().await?;
    check(state(conn, node).await?, Some("Online".to_string()), "state after a transaction");
    let mut tx = conn.start_transaction(TxOpts::new().with_readonly(true).with_consistent_snapshot(true).to_owned()).await?;
    let refused = tx.exec_drop(CHANGE, ("paused", node)).await.expect_err("CHANGE in a READ ONLY transaction");
    check(number(&refused), 1792, "CHANGE in a READ ONLY transaction");
    tx.rollback().await?;
    check(state(conn, node).await?, Some("Online".to_string()), "state after a READ ONLY transaction");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    version("mysql_async");
    let node = env("NODE");
    let port = |name: &str| env(name).parse::<u16>().expect("a port");
    let to = plain().tcp_port(port("PORT")).user(Some("root")).db_name(Some("binlog"));
    for compression in [None, Some(Compression::fast())] {
        let pool = Pool::new(to.clone().compression(compression));
        let mut conn = pool.get_conn().await?;
        reading(&mut conn).await?;
        orders(&mut conn, &node).await?;
        drop(conn);
        for _ in 0..3 {
            let mut conn = pool.get_conn().await?; // reset between its users
            let kept: Option<i64> = conn.query_first("SELECT @kept IS NULL").await?;
            check(kept, Some(1), "a variable of the session before");
            conn.query_drop("SET @kept = 1").await?;
        }
        pool.disconnect().await?;
    }
    did("`SHOW PUMP STATUS`, prepared SELECT with named parameters, dates; `CHANGE PUMP` singly and in a batch; compressed too");
    did("transactions, isolation, READ ONLY refuses `CHANGE`; a pool that resets its sessions");
    let mut conn = Conn::new(to).await?;
    for (sql, want) in REFUSED {
        let refused = conn.query_drop(sql).await.expect_err(sql);
        check(number(&refused), want, sql);
    }
    let mut several = conn.query_iter("SELECT 1; SELECT 2").await?;
    let first: Vec<i64> = several.collect().await?;
    let second: Vec<i64> = several.collect().await?;
    check((first, second), (vec![1], vec![2]), "several");
    conn.ping().await?;
    conn.disconnect().await?;
    did("errors by number, several results, ping");
    for user in USERS {
        let login = plain().tcp_port(port("TLS_PORT")).user(Some(user));
        let mut conn = Conn::new(login.clone().pass(Some(env("PASSWORD")))).await?;
        let who: Option<String> = conn.query_first("SELECT CURRENT_USER()").await?;
        check(who, Some(format!("{user}@%")), "CURRENT_USER()");
        conn.disconnect().await?;
        let refused = Conn::new(login.pass(Some("wrong"))).await.expect_err("a wrong password");
        check(number(&refused), 1045, "a wrong password");
    }
    did("login by caching_sha2_password (encrypted with the server's key) and mysql_native_password");
    Ok(())
}
