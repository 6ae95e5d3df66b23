//! PostgreSQL for tests: a database of its own on the server that tests share, and servers of their own for
//! tests that kill them.

use rkcy_runtime::store::postgres::Settings;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

/// A database that is dropped with this value.
pub(crate) struct Database {
    /// The address of its server, without database.
    server: String,
    name: String,
}

impl Database {
    /// A new one on the server that tests share.
    pub(crate) async fn new() -> Database {
        Database::on(&super::servers::postgres()).await
    }

    /// A new one on a server.
    pub(crate) async fn on(server: &str) -> Database {
        let name = format!("rkcy_test_{}", uuid::Uuid::new_v4().simple());
        execute(
            &format!("{server}/postgres"),
            &format!("CREATE DATABASE \"{name}\""),
        )
        .await;
        Database {
            server: server.to_owned(),
            name,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(&self.url()).unwrap()
    }

    /// Does what a person does with `psql`.
    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.url(), sql).await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let url = format!("{}/postgres", self.server);
        let sql = format!("DROP DATABASE \"{}\" WITH (FORCE)", self.name);
        // A runtime of its own: a test that ends may have none any more. A server that is gone has none of it.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let options = PgConnectOptions::from_str(&url).unwrap();
                if let Ok(mut connection) = PgConnection::connect_with(&options).await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut connection)
                        .await;
                }
            });
        });
        let _ = dropping.join();
    }
}

pub(crate) async fn execute(url: &str, sql: &str) {
    let options = PgConnectOptions::from_str(url).unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A server in a directory of its own, ended with this value.
pub(crate) struct Server {
    dir: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Makes and starts one, with these lines in its configuration.
    pub(crate) fn new(configuration: &str) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if is_root() {
            // The server, which is not root, passes through.
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
            std::fs::set_permissions(dir.path(), open).unwrap();
            success(Command::new("chown").arg(USER).arg(&data));
        }
        let mut server = Server {
            dir,
            port: free_port(),
            process: None,
        };
        success(
            server
                .binary("initdb")
                .args(["-U", "rkcy", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"])
                .arg(server.data()),
        );
        server.configure("listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n");
        server.configure(configuration);
        server.start();
        server
    }

    /// Adds lines to its configuration; they count from its next start on.
    pub(crate) fn configure(&self, lines: &str) {
        let file = self.data().join("postgresql.conf");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{before}\n{lines}")).unwrap();
    }

    /// Writes a file of its own into its directory.
    pub(crate) fn put(&self, name: &str, content: &str) {
        let file = self.data().join(name);
        std::fs::write(&file, content).unwrap();
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, own).unwrap();
        if is_root() {
            success(Command::new("chown").arg(USER).arg(&file));
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its address, without database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://rkcy@127.0.0.1:{}", self.port)
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&mut self) {
        let log = std::fs::File::options();
        let log = log
            .clone()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        let process = self
            .binary("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn();
        self.process = Some(process.unwrap());
        let port = self.port.to_string();
        let ready = || {
            let mut ask = self.binary("pg_isready");
            let ask = ask
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .stdout(Stdio::null());
            ask.status().unwrap().success()
        };
        while !ready() {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap();
            let state = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
            assert!(!state.contains(") Z"), "the server has ended: {}", log());
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: &str) {
        success(Command::new("kill").args(["-s", signal, &self.pid().to_string()]));
    }

    /// Ends it as a crash would, but waits until all of it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill")
                .args(["-s", "QUIT", &process.id().to_string()])
                .status();
            let _ = Command::new("kill")
                .args(["-s", "CONT", &process.id().to_string()])
                .status();
            let _ = process.wait();
        }
    }

    fn binary(&self, name: &str) -> Command {
        let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .map(|versions| versions.map(|version| version.unwrap().path()).collect())
            .unwrap_or_default();
        found.sort();
        let path = match found.last() {
            Some(version) => version.join("bin").join(name),
            None => PathBuf::from(name),
        };
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", USER, "--regid", GROUP, "--clear-groups", "--"]);
                command.arg(path);
                command
            }
            false => Command::new(path),
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// PostgreSQL refuses to be root.
const USER: &str = "nobody";
const GROUP: &str = "nogroup";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// One that nobody listens on now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn success(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
