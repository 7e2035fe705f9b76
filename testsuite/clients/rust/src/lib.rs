//! What the programs of this crate share: where the consoles are, and checks that end a
//! program which sees something else than it should.

use std::fmt::Debug;

/// The users of the console with users; both have the same password. They log in by
/// caching_sha2_password and by mysql_native_password.
pub const USERS: [&str; 2] = ["sha2", "native"];

/// Both pumps that are not offline, as SHOW PUMP STATUS shows them.
pub const PUMPS: [(&str, &str, &str, i64, &str); 2] = [
    ("pump1", "127.0.0.1:8250", "Online", 408553768673342237, "2019-05-22 07:09:04"),
    ("pump2", "127.0.0.2:8250", "Online", 408553768673342335, "2019-05-22 07:09:04"),
];

/// Statements that every client must be refused, with the number.
pub const REFUSED: [(&str, u16); 5] = [
    ("SELEC 1", 1064),
    ("SELECT * FROM nope", 1146),
    ("SELECT nope FROM pumps", 1054),
    ("DELETE FROM pumps", 1235),
    ("CHANGE PUMP TO NODE_STATE = 'paused' FOR NODE_ID 'nope'", 1105),
];

pub const CHANGE: &str = "CHANGE PUMP TO NODE_STATE = ? FOR NODE_ID ?";

pub fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not in the environment"))
}

pub fn check<A: PartialEq<B> + Debug, B: Debug>(got: A, want: B, what: &str) {
    if got != want {
        eprintln!("{what}: {got:?}, want {want:?}");
        std::process::exit(1);
    }
}

pub fn did(what: &str) {
    println!("did {what}");
}

/// The version of a dependency, from this crate's lock file.
pub fn version(of: &str) {
    let lock = include_str!("../Cargo.lock");
    let entry = lock.split("[[package]]").find(|e| e.contains(&format!("name = \"{of}\"\n")));
    let line = entry.and_then(|e| e.lines().find_map(|l| l.strip_prefix("version = ")));
    println!("version {}", line.expect("a locked version").trim_matches('"'));
}
