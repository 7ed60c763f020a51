//! A listener for HTTP/1 and HTTP/2 without TLS that can be drained or cut.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub struct Listening {
    pub port: u16,
    stop: CancellationToken,
    cut: CancellationToken,
    task: JoinHandle<()>,
}

impl Listening {
    /// # Errors
    /// The port is in use.
    pub async fn start(address: SocketAddr, router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(accept(listener, router, stop.clone(), cut.clone()));
        Ok(Self { port, stop, cut, task })
    }

    /// Accepts no more connections, lets requests finish, and cuts those that take longer.
    pub async fn drain(self, limit: Duration) {
        self.stop.cancel();
        _ = tokio::time::timeout(limit, self.task).await;
        self.cut.cancel();
    }

    /// Ends every connection in the middle of its requests.
    pub fn cut(self) {
        self.stop.cancel();
        self.cut.cancel();
    }
}

async fn accept(listener: TcpListener, router: Router, stop: CancellationToken, cut: CancellationToken) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Most likely out of file descriptors.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        _ = stream.set_nodelay(true);
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new());
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let (connection, cut) = (graceful.watch(connection), cut.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = connection => {}
                () = cut.cancelled() => {}
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
