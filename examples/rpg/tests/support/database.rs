//! A database of its own, on the PostgreSQL of the tests, for platforms that run in other processes.

use super::servers;
use sqlx::{Connection, Executor};

/// Makes it; gives its address.
pub(crate) fn created(name: &str) -> String {
    let server = servers::postgres();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("{server}/postgres");
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(create).await.unwrap();
    });
    format!("{server}/{name}")
}
