//! The HTTP side: is the process alive, is it ready, what do its metrics say.
//!
//! | route | answer |
//! |---|---|
//! | `/` | these routes |
//! | `/live` | 200 while the process runs |
//! | `/ready` | 200 once the control table was caught up and all tasks were open, and from then on; 503 with the reason before |
//! | `/metrics` | Prometheus' text format |
//!
//! It runs on a thread and a Tokio runtime of its own, so that nothing here waits for a worker and no worker waits for it.
//! Deliberately not here: TLS and logins (it shows no data; bind it to an address that only the operator reaches), and Kafka.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::oneshot;

use crate::telemetry::Metrics;

/// How long open connections may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(2);

/// The routes that `/` lists.
const ROUTES: [(&str, &str); 3] = [
    ("/live", "200 while the process runs"),
    ("/ready", "200 once all tasks were open, else 503 and why"),
    ("/metrics", "metrics, in Prometheus' text format"),
];

/// What the routes tell of.
pub struct Health {
    ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    latched: AtomicBool,
    metrics: Arc<Metrics>,
}

impl Health {
    /// `ready` is asked at each `/ready` until it first says yes; its error is the reason shown until then.
    pub fn new(ready: impl Fn() -> Result<(), String> + Send + Sync + 'static, metrics: Arc<Metrics>) -> Self {
        Self { ready: Box::new(ready), latched: AtomicBool::new(false), metrics }
    }

    fn ready(&self) -> Result<(), String> {
        if !self.latched.load(Ordering::SeqCst) {
            (self.ready)()?;
            self.latched.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken, or not this host's.
    #[error("http cannot listen on {0}: {1}; set [http] listen to another address")]
    Listen(SocketAddr, std::io::ErrorKind),
    /// The system gives no thread or no event loop.
    #[error("http cannot start: {0}")]
    Start(std::io::ErrorKind),
}

/// A running server; dropping it stops it.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `listen` (port 0: any free one) and answers from a thread of its own.
    ///
    /// # Errors
    /// [`HttpError`]; nothing runs then.
    pub fn start(listen: SocketAddr, health: Health) -> Result<Self, HttpError> {
        let start = |error: std::io::Error| HttpError::Start(error.kind());
        let listener = TcpListener::bind(listen).map_err(|error| HttpError::Listen(listen, error.kind()))?;
        listener.set_nonblocking(true).map_err(start)?;
        let address = listener.local_addr().map_err(start)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(start)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || runtime.block_on(serve(listener, router(health), stopped)))
            .map_err(start)?;
        tracing::info!(%address, "http listens");
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, with the port that was found for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets those that are open end (2 s at most), and waits for that.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // it has ended by itself where nobody receives
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let (drain, draining) = oneshot::channel();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = stopped.await;
        let _ = drain.send(());
    });
    let patience = async {
        let _ = draining.await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        _ = server => {}
        () = patience => {}
    }
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/", get(routes))
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health))
}

async fn routes() -> String {
    ROUTES.iter().map(|(route, answer)| format!("{route:<10}{answer}\n")).collect()
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    match health.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    match health.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n").into_response(),
    }
}

#[cfg(test)]
mod tests;
