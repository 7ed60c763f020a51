//! A token service and a node agent on loopback: both issue the key of the S3 server.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, StatusCode, header},
    response::Response,
};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::server::{KEY, SECRET};

pub const TOKEN: &str = "l3nt+t0ken/==";

/// The kind of response.
#[derive(Clone, Debug)]
pub enum Lends {
    /// Credentials that expire after this many minutes.
    Minutes(i64),
    /// One response with this status and code, then credentials for an hour.
    After(u16, &'static str),
    /// Always this status and code.
    Refuses(u16, &'static str),
    /// A malformed response.
    Odd,
}

#[derive(Default)]
struct Seen {
    asked: usize,
    /// The credential of the last request.
    with: String,
}

pub struct Lender {
    pub url: String,
    seen: Arc<Mutex<Seen>>,
    _runtime: Runtime,
}

impl Lender {
    pub fn start(lends: Lends) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let shared = Arc::clone(&seen);
        let router =
            Router::new().fallback(move |request| answer(lends.clone(), Arc::clone(&shared), request));
        drop(runtime.spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Self { url: format!("http://{address}"), seen, _runtime: runtime }
    }

    pub fn asked(&self) -> usize {
        self.seen.lock().unwrap().asked
    }

    pub fn with(&self) -> String {
        self.seen.lock().unwrap().with.clone()
    }
}

async fn answer(lends: Lends, seen: Arc<Mutex<Seen>>, request: Request) -> Response {
    let agent = request.method() == Method::GET;
    let authorization =
        request.headers().get(header::AUTHORIZATION).map(|it| it.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let first = {
        let mut seen = seen.lock().unwrap();
        seen.with = authorization.unwrap_or_else(|| String::from_utf8(body.to_vec()).unwrap());
        seen.asked += 1;
        seen.asked == 1
    };
    let (status, text) = match lends {
        Lends::Minutes(minutes) => (200, lent(agent, minutes)),
        Lends::After(status, code) if first => (status, refusal(code)),
        Lends::After(..) => (200, lent(agent, 60)),
        Lends::Refuses(status, code) => (status, refusal(code)),
        Lends::Odd => (200, format!("<html>{SECRET}</html>")),
    };
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::from(text)).unwrap()
}

fn refusal(code: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    )
}

fn lent(agent: bool, minutes: i64) -> String {
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
    if agent {
        return serde_json::json!({
            "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": TOKEN, "AccountId": "1", "Expiration": until.to_string(),
        })
        .to_string();
    }
    format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <SessionToken>{TOKEN}</SessionToken><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <Expiration>{until}</Expiration><AccessKeyId>{KEY}</AccessKeyId></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
}
