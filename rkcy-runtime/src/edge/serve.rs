//! Connections of the edge: accepted, bounded, drained.

use super::Gate;
use super::auth::Peer;
use super::rest;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::util::MapRequest;

/// Pause after an accept that failed: most often there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);
/// An HTTP/2 connection without a word for so long is asked whether it is there,
const PING: Duration = Duration::from_secs(20);
/// and closed where no answer comes for so long.
const PONG: Duration = Duration::from_secs(20);
/// Requests at work on one HTTP/2 connection.
const STREAMS: u32 = 250;

/// Takes connections until it is told to stop, then waits for those at work.
pub(super) async fn serve(listener: TcpListener, gate: Arc<Gate>) {
    let mut stop = gate.stopping.clone();
    let router = rest::router(gate.clone());
    let places = Arc::new(Semaphore::new(gate.limits.connections));
    let graceful = GracefulShutdown::new();
    let builder = builder(&gate);
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            _ = stop.changed() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, addr) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        quick(&stream);
        let known = move |mut request: Request<_>| {
            request.extensions_mut().insert(Peer(addr.ip()));
            request
        };
        let service = TowerToHyperService::new(MapRequest::new(router.clone(), known));
        let (builder, watcher) = (builder.clone(), graceful.watcher());
        let gate = gate.clone();
        gate.metrics.connected();
        tokio::spawn(async move {
            // What goes wrong on a connection is its caller's: it is closed.
            match gate.security.tls() {
                None => {
                    let connection = builder.serve_connection(TokioIo::new(stream), service);
                    let _ = watcher.watch(connection.into_owned()).await;
                }
                Some(tls) => {
                    let greeted = tls.acceptor.accept(stream);
                    let greeted = tokio::time::timeout(gate.limits.head, greeted).await;
                    if let Ok(Ok(stream)) = greeted {
                        let connection = builder.serve_connection(TokioIo::new(stream), service);
                        let _ = watcher.watch(connection.into_owned()).await;
                    }
                }
            }
            gate.metrics.disconnected();
            drop(place);
        });
    }
    drop(listener);
    // What is still at work then is cut off: its outcome is unknown to its caller.
    let _ = tokio::time::timeout(gate.limits.drain, graceful.shutdown()).await;
}

fn builder(gate: &Gate) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Who has said all there is to say may close that side before the answer is there.
        .half_close(true)
        .header_read_timeout(gate.limits.head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .max_concurrent_streams(STREAMS);
    builder
}

/// Small answers are sent at once.
fn quick(stream: &TcpStream) {
    // Where that cannot be had, they are sent a little later.
    let _ = stream.set_nodelay(true);
}
