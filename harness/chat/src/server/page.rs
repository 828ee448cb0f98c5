//! A chat for browsers, at `/`: the files of the folder `page`, together with Socket.IO's own
//! client, so that nothing is fetched from anywhere else.

use axum::Router;
use axum::routing::get;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use std::future::ready;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The files, by path: their types and contents.
const FILES: [(&str, &str, &str); 4] = [
    ("/", HTML, include_str!("../../page/index.html")),
    ("/page.js", SCRIPT, include_str!("../../page/page.js")),
    (
        "/socket.io.min.js",
        SCRIPT,
        include_str!("../../page/socket.io.min.js"),
    ),
    (
        "/socket.io.license.txt",
        TEXT,
        include_str!("../../page/socket.io.license.txt"),
    ),
];

/// Scripts and connections of this server only: what users say is shown as text, and could do no
/// harm if it were not.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the page to what is served.
pub(super) fn with_page(router: Router) -> Router {
    FILES
        .into_iter()
        .fold(router, |router, (path, kind, content)| {
            let headers: [(HeaderName, &str); 3] = [
                (CONTENT_TYPE, kind),
                (CONTENT_SECURITY_POLICY, POLICY),
                // The server may be a different version tomorrow.
                (CACHE_CONTROL, "no-cache"),
            ];
            router.route(path, get(move || ready((headers.clone(), content))))
        })
}
