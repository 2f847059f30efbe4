//! A client of hyper-util.
//!
//! `hyper_client URI [SOCKET]` prints the response, over a Unix socket if its path is given.
//! Configuration comes from the environment, `RON_TRANSPORT_TLS_CLIENT_ALPN=h2` for example.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use ron_transport::{Config, Endpoint, Transport};
use transport_http::Connector;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let uri = args.next().ok_or("usage: hyper_client URI [SOCKET]")?;

    let config = Config::loader().env_from_process().load()?.into_settings();
    let transport = Transport::builder().config(config).build()?;
    let mut connector = Connector::new(transport.dialer());
    if let Some(socket) = args.next() {
        connector = connector.to(Endpoint::unix(socket));
    }
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);

    let response = client.get(uri.parse()?).await?;
    println!("{:?} {}", response.version(), response.status());
    let body = response.into_body().collect().await?.to_bytes();
    print!("{}", String::from_utf8_lossy(&body));
    Ok(())
}
