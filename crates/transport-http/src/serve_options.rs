//! Settings of the HTTP server.

use std::time::Duration;

use ron_transport::Transport;

/// Settings of [`serve_http`](crate::serve_http) and [`serve_connection`](crate::serve_connection).
///
/// ```
/// use std::time::Duration;
///
/// use transport_http::ServeOptions;
///
/// let options = ServeOptions::default()
///     .with_read_timeout(Duration::from_secs(5))
///     .with_max_concurrent_streams(50);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    pub(crate) read_timeout: Duration,
    pub(crate) max_headers: usize,
    pub(crate) max_concurrent_streams: u32,
}

impl Default for ServeOptions {
    /// 5 s as `read_timeout`, 100 header fields, 100 concurrent streams of HTTP/2.
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(5),
            max_headers: 100,
            max_concurrent_streams: 100,
        }
    }
}

impl ServeOptions {
    /// The defaults, with the `read_timeout` of a transport.
    #[must_use]
    pub fn of(transport: &Transport) -> Self {
        Self::default().with_read_timeout(transport.config().limits.deadlines().read)
    }

    /// Sets the longest wait for data over HTTP/2.
    ///
    /// It applies to each chunk of a request body, and to the answer to a PING frame: a client that
    /// stops in the middle of a frame cannot answer. Over HTTP/1.1 the connection's own
    /// `read_timeout` applies.
    #[must_use]
    pub const fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Sets the maximum number of header fields of a request over HTTP/1.1.
    #[must_use]
    pub const fn with_max_headers(mut self, fields: usize) -> Self {
        self.max_headers = fields;
        self
    }

    /// Sets the maximum number of concurrent requests of one connection over HTTP/2.
    #[must_use]
    pub const fn with_max_concurrent_streams(mut self, streams: u32) -> Self {
        self.max_concurrent_streams = streams;
        self
    }
}
