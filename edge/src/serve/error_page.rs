//! An error, and the page that its site has for it, into what the viewer is shown.

use std::sync::Arc;

use edge_cache::error_pages::{self, Page};
use http::StatusCode;

use crate::ask::Ask;
use crate::edge::Edge;
use crate::respond::Answer;

/// Shows the site's page in place of an error of the origin. A page that fails itself leaves the error as it is: it has no page.
pub(super) async fn in_place(edge: &Arc<Edge>, ask: &Arc<Ask>, error: Answer) -> Answer {
    let rules = &ask.route.site.site.error_responses;
    // What the cache has no word for, the edge refused by itself.
    let Some(page) = error.status.and_then(|_| error_pages::page_for(rules, error.response.status())) else {
        return error;
    };
    if let Some(answer) = fetched(edge, ask, &page).await {
        return joined(error, answer, page.status);
    }
    let (site, path) = (&ask.route.site.site.name, page.path.as_str());
    tracing::warn!(site, path, status = error.response.status().as_u16(), "the page for an error is not there");
    error
}

/// Like any other request, but that it is not an error that would be shown as a page again.
async fn fetched(edge: &Arc<Edge>, ask: &Ask, page: &Page) -> Option<Answer> {
    let request = error_pages::request(&ask.viewer, page)?;
    let instead = Arc::new(ask.instead(request, page.path.clone())?);
    let answer = super::answer(edge, &instead, None).await;
    (answer.response.status() == StatusCode::OK).then_some(answer)
}

fn joined(error: Answer, page: Answer, status: StatusCode) -> Answer {
    let (mut of_error, unread) = error.response.into_parts();
    let (of_page, source) = page.response.into_parts();
    unread.let_go();
    if let Some(said) = error.status {
        said.detailed("error-page").replace_in(&mut of_error.headers);
    }
    let mut response = http::Response::new(source);
    *response.status_mut() = status;
    *response.headers_mut() = error_pages::head(&of_error.headers, &of_page.headers);
    Answer { response, coding: page.coding, detail: error.detail.or(Some("error-page")), ..error }
}
