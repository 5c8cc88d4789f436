//! What the edge logs into lines for a person: one for each request on standard output, the rest on standard error.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::io::{IsTerminal, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::arguments::LogFormat;
use crate::clock;

/// Where the edge logs requests.
const ACCESS: &str = "access";
/// Where it says what has become of origins: that one is back is worth as much as that it is gone.
const HEALTH: &str = "edge::health";

/// How long a kubelet takes to bring what is mounted: here nothing does.
const IN_A_CLUSTER: &str = "; edges see it within two minutes";

/// What is served now, as far as lines speak of it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The hosts that are served; empty where every one is.
    pub hosts: Vec<String>,
    /// How many Distributions there are.
    pub distributions: usize,
    /// What mends an origin that is nowhere, by Distribution and origin.
    pub mends: BTreeMap<(String, String), String>,
}

/// Where it is kept.
pub type Shared = Arc<Mutex<Known>>;

/// Begins to log.
pub fn begin(format: LogFormat) -> Shared {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let known = Shared::default();
    let lines = Lines { colour: wants_colour(), known: Arc::clone(&known) };
    // What libraries say by the crate `log` is left out, as edges in a cluster do. There is no other log yet.
    let _ = match format {
        LogFormat::Json => {
            let lines = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter);
            set_global_default(lines.finish())
        }
        LogFormat::Text => set_global_default(tracing_subscriber::registry().with(filter).with(lines)),
    };
    known
}

/// <https://no-color.org>: any value but an empty one.
fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
}

struct Lines {
    colour: bool,
    known: Shared,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = clock::time_of_day();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if event.metadata().target() == ACCESS {
            let line = access(&fields, &time, self.colour, &known);
            // Whoever read this has left; that is no reason to stop serving.
            let _ = writeln!(std::io::stdout(), "{line}");
        } else if *event.metadata().level() <= Level::WARN || event.metadata().target() == HEALTH {
            let _ = writeln!(std::io::stderr(), "{time}  {}", remark(&fields, &known));
        }
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Fields {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// A request: time, status, what the cache did, how long it stays fresh and how old it is, what was asked for, and how long
/// it took.
fn access(fields: &Fields, time: &str, colour: bool, known: &Known) -> String {
    let (status, cache) = (fields.get("status"), fields.get("cache"));
    let (begin, end) = if colour { paint(status) } else { ("", "") };
    let seconds: f64 = fields.get("seconds").parse().unwrap_or_default();
    let mut line = format!(
        "{time}  {begin}{:<3}  {:<11}{end}  {:<20}  {} {}{}  {:.1} ms",
        or_none(status),
        or_none(cache),
        freshness(fields),
        fields.get("method"),
        // With only one it says nothing.
        if known.distributions > 1 { fields.get("host") } else { "" },
        fields.get("path"),
        seconds * 1_000.0,
    );
    for why in [fields.get("fwd"), fields.get("detail")].into_iter().filter(|why| !why.is_empty()) {
        let _ = write!(line, "  {}", in_words(why));
    }
    if fields.get("detail") == "no-such-host" {
        let _ = write!(line, " (there is {})", known.hosts.join(", "));
    }
    if fields.get("complete") == "false" {
        let _ = write!(line, "  (cut off: {})", cut_off(fields.get("cut")));
    }
    line
}

/// Why not all of a response went out.
fn cut_off(word: &str) -> &str {
    match word {
        "viewer-left" => "the viewer left",
        "viewer-slow" => "the viewer took nothing for too long",
        "origin-reset" => "the origin broke off",
        "origin-silent" => "the origin fell silent",
        "origin-malformed" => "what the origin sent is malformed",
        "idle" => "nothing was said for too long",
        "drain" => "the edge ended",
        other => other,
    }
}

/// The words of `Cache-Status` that say too little by themselves.
fn in_words(why: &str) -> &str {
    if why == "forbidden" { "no-store or private" } else { why }
}

/// A viewer that left before there was a head leaves nothing to say.
fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn freshness(fields: &Fields) -> String {
    let known = ["ttl", "age"].into_iter().filter(|name| !fields.get(name).is_empty());
    let mut shown: Vec<_> = known.map(|name| format!("{name} {}s", fields.get(name))).collect();
    if fields.get("stored") == "true" {
        shown.insert(0, "stored".into());
    }
    shown.join(" ")
}

/// What begins and ends the colour of a status.
fn paint(status: &str) -> (&'static str, &'static str) {
    let begin = match status.bytes().next() {
        Some(b'2') => "\u{1b}[32m",
        Some(b'3') => "\u{1b}[36m",
        Some(b'4') => "\u{1b}[33m",
        _ => "\u{1b}[31m",
    };
    (begin, "\u{1b}[0m")
}

/// Anything else: the message, what is behind it, what goes with it, and what mends it.
fn remark(fields: &Fields, known: &Known) -> String {
    let mut line = fields.get("message").to_owned();
    for behind in ["error", "source"].into_iter().map(|name| fields.get(name)).filter(|text| !text.is_empty()) {
        let _ = write!(line, ": {}", behind.replace(IN_A_CLUSTER, ""));
    }
    let said = ["message", "error", "source", "advice"];
    let others = fields.0.iter().filter(|(name, value)| !said.contains(*name) && !value.is_empty());
    let others: Vec<_> = others.map(|(name, value)| format!("{name}: {value}")).collect();
    if !others.is_empty() {
        let _ = write!(line, " ({})", others.join(", "));
    }
    // What is missing on this machine is mended here, whatever would be to do in a cluster.
    let mends = known.mends.get(&(fields.get("site").to_owned(), fields.get("origin").to_owned()));
    let mends = mends.map_or(fields.get("advice"), String::as_str);
    if !mends.is_empty() {
        let _ = write!(line, "; {mends}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&'static str, &str)]) -> Fields {
        Fields(of.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    const HIT: [(&str, &str); 8] = [
        ("status", "200"),
        ("cache", "hit"),
        ("ttl", "57"),
        ("age", "3"),
        ("method", "GET"),
        ("path", "/img/a?x=1"),
        ("seconds", "0.00042"),
        ("complete", "true"),
    ];

    #[test]
    fn a_request_is_one_line() {
        assert_eq!(
            access(&fields(&HIT), "12:00:00.123", false, &Known::default()),
            "12:00:00.123  200  hit          ttl 57s age 3s        GET /img/a?x=1  0.4 ms"
        );
        let failed = [("status", "503"), ("cache", "edge"), ("method", "GET"), ("path", "/"), ("detail", "no-origin")];
        assert_eq!(
            access(&fields(&failed), "12:00:00.123", false, &Known::default()),
            "12:00:00.123  503  edge                               GET /  0.0 ms  no-origin"
        );
        let missed = [("status", "200"), ("cache", "miss"), ("fwd", "uri-miss"), ("method", "GET"), ("path", "/")];
        assert!(
            access(&fields(&missed), "12:00:00.123", false, &Known::default()).ends_with("GET /  0.0 ms  uri-miss")
        );
        let left = [("method", "GET"), ("path", "/"), ("complete", "false"), ("cut", "viewer-left")];
        let line = access(&fields(&left), "12:00:00.123", false, &Known::default());
        assert!(line.ends_with("GET /  0.0 ms  (cut off: the viewer left)"), "{line}");
    }

    #[test]
    fn a_miss_says_what_became_of_it() {
        let stored = [("status", "200"), ("cache", "miss"), ("stored", "true"), ("ttl", "60")];
        assert!(
            access(&fields(&stored), "12:00:00.123", false, &Known::default()).contains("miss         stored ttl 60s ")
        );
        let forbidden = [("status", "200"), ("cache", "miss"), ("stored", "false"), ("detail", "forbidden")];
        assert!(
            access(&fields(&forbidden), "12:00:00.123", false, &Known::default()).ends_with("  no-store or private")
        );
    }

    #[test]
    fn a_host_is_named_where_it_says_something() {
        let hosts = vec!["a.example".to_owned(), "*.b.example".to_owned()];
        let known = Known { hosts, distributions: 2, ..Known::default() };
        let line = |of: &[(&'static str, &str)]| access(&fields(of), "12:00:00.123", false, &known);
        assert!(line(&[("method", "GET"), ("path", "/a"), ("host", "a.example")]).contains("  GET a.example/a  "));
        let lost = [("status", "421"), ("detail", "no-such-host")];
        assert!(line(&lost).ends_with("  no-such-host (there is a.example, *.b.example)"));
    }

    #[test]
    fn colour_is_put_around_status_and_verdict_alone() {
        let line = access(&fields(&HIT), "12:00:00.123", true, &Known::default());
        assert!(line.contains("\u{1b}[32m200  hit        \u{1b}[0m"), "{line:?}");
        assert_eq!(line.matches('\u{1b}').count(), 2);
    }

    #[test]
    fn a_remark_says_all_that_goes_with_it() {
        let of = fields(&[("message", "no answer"), ("origin", "app"), ("source", ""), ("detail", "refused")]);
        assert_eq!(remark(&of, &Known::default()), "no answer (detail: refused, origin: app)");
        let of = [("message", "no answer"), ("error", "TLS"), ("source", "eof"), ("site", "a"), ("advice", "ask it")];
        assert_eq!(remark(&fields(&of), &Known::default()), "no answer: TLS: eof (site: a); ask it");
        let of = fields(&[("message", "no answer"), ("origin", "app"), ("advice", "look")]);
        let mends = [((String::new(), "app".into()), "add --service a=HOST:PORT".into())].into();
        let known = Known { mends, ..Known::default() };
        assert!(remark(&of, &known).ends_with("; add --service a=HOST:PORT"));
    }
}
