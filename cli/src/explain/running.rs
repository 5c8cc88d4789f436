//! A question into the answer of an edge that runs: it knows what is stored, too.

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::form_urlencoded::Serializer;

use crate::arguments::Explain;

/// No explanation is nearly as long.
const LARGEST: usize = 4 * 1024 * 1024;

/// What the edge behind this admin address says.
pub fn ask(admin: &str, explain: &Explain) -> Result<Value, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting: {error}"))?;
    let (status, text) = runtime.block_on(get(admin, &format!("/explain?{}", query(explain))))?;
    if status != StatusCode::OK {
        return Err(format!("{admin} answers {status}: {}", text.trim()));
    }
    serde_json::from_str(&text).map_err(|error| format!("{admin} answers what is no JSON: {error}"))
}

/// The question, as `/explain` takes it.
pub fn query(explain: &Explain) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("url", &explain.url).append_pair("method", &explain.method);
    for field in &explain.headers {
        query.append_pair("header", field);
    }
    query.finish()
}

async fn get(admin: &str, target: &str) -> Result<(StatusCode, String), String> {
    let no_url = || format!("{admin} is no URL as http://127.0.0.1:9090");
    let uri: Uri = admin.parse().map_err(|_| no_url())?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(no_url)?;
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let failed = |error: &dyn std::fmt::Display| format!("asking {admin}: {error}");
    let stream = TcpStream::connect(&address).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    tokio::spawn(connection);
    let request = Request::get(target).header(header::HOST, authority.as_str()).body(Empty::<Bytes>::new());
    let response = sender.send_request(request.map_err(|error| failed(&error))?).await;
    let (head, body) = response.map_err(|error| failed(&error))?.into_parts();
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| failed(&error))?.to_bytes();
    Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
}
