//! Style, script and icon: ours, and named by their content, so that they are kept for good.

use std::sync::LazyLock;

use axum::response::Response;

use crate::answer;
use crate::request::tag_of;

const STYLE: &str = include_str!("../assets/app.css");
const SCRIPT: &str = include_str!("../assets/app.js");
const READER: &str = include_str!("../assets/reader.js");
const MORPH: &str = include_str!("../assets/idiomorph.js");
const ICON: &str = include_str!("../assets/icon.svg");

static TAG: LazyLock<String> =
    LazyLock::new(|| tag_of([STYLE, SCRIPT, READER, MORPH, ICON].concat().as_bytes()));

/// A name for all of them as they are.
pub(crate) fn tag() -> &'static str {
    &TAG
}

/// One of them. `None` if there is none of this name. A page of an older deployment asks by an older tag, and gets
/// what there is.
pub(crate) fn asset(_tag: &str, name: &str) -> Option<Response> {
    match name {
        "app.css" => Some(answer::asset("text/css; charset=utf-8", STYLE)),
        "app.js" => Some(answer::asset("text/javascript; charset=utf-8", SCRIPT)),
        "reader.js" => Some(answer::asset("text/javascript; charset=utf-8", READER)),
        "idiomorph.js" => Some(answer::asset("text/javascript; charset=utf-8", MORPH)),
        "icon.svg" => Some(answer::asset("image/svg+xml", ICON)),
        _ => None,
    }
}
