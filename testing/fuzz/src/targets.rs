//! One module per target.

pub(crate) mod admin_http;
pub(crate) mod cidr;
pub(crate) mod client_hello;
pub(crate) mod config;
pub(crate) mod crl;
pub(crate) mod endpoint;
pub(crate) mod escape;
pub(crate) mod frame;
pub(crate) mod pem;
pub(crate) mod proxy_header;
pub(crate) mod san;
pub(crate) mod tunnel;
