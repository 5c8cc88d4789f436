//! What serves into the lines that say so.

use edge_contract::OriginGroup;

use crate::places::Placed;
use crate::serving::{Served, nowhere};

/// One Distribution, for people: for which hosts, and where its origins are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    name: String,
    file: String,
    generation: i64,
    hosts: String,
    /// Its origins, then its groups of them: the name, and what is said of it.
    rows: Vec<(String, String)>,
}

impl Listing {
    /// Of what serves.
    pub fn of(served: &Served) -> Self {
        let Served { site, placed, file, .. } = served;
        let origins = placed.iter().map(|one| (one.origin.clone(), origin(one, served)));
        let groups = site.origin_groups.iter().map(|one| (one.name.clone(), group(one)));
        Self {
            name: site.name.clone(),
            file: file.to_string(),
            generation: site.generation,
            hosts: if site.aliases.is_empty() { "every Host".into() } else { site.aliases.join(", ") },
            rows: origins.chain(groups).collect(),
        }
    }

    /// What is to be said after `before` was: all of it, or what has become different.
    pub fn since(&self, before: Option<&Self>) -> String {
        if before == Some(self) {
            return String::new();
        }
        let Self { name, file, generation, hosts, rows } = self;
        let mut lines = vec![format!("serving {name}")];
        if before.is_none_or(|before| before.file != *file) {
            lines.push(format!(" ({file})"));
        }
        lines.push(format!(" generation {generation}"));
        if before.is_none_or(|before| before.hosts != *hosts) {
            lines.push(format!(" for {hosts}"));
        }
        lines.push("\n".into());
        let old = before.map(|before| before.rows.as_slice()).unwrap_or_default();
        for (name, text) in rows.iter().filter(|row| !old.contains(row)) {
            lines.push(format!("  {name}: {text}\n"));
        }
        for (name, _) in old.iter().filter(|(name, _)| rows.iter().all(|(known, _)| known != name)) {
            lines.push(format!("  {name}: is no more\n"));
        }
        lines.concat()
    }
}

fn origin(placed: &Placed, served: &Served) -> String {
    let Placed { origin, what, address, remarks, .. } = placed;
    let at = match address {
        Some(address) if address == what => what.clone(),
        Some(address) => format!("{what} at {address}"),
        None => {
            let outcome = nowhere::outcome(&served.site, origin);
            format!("{what}, nowhere: {}", outcome.as_deref().unwrap_or("no behavior asks it"))
        }
    };
    std::iter::once(at).chain(remarks.iter().cloned()).collect::<Vec<_>>().join(", ")
}

fn group(group: &OriginGroup) -> String {
    let OriginGroup { primary, secondary, failover_on, .. } = group;
    let statuses: Vec<_> = failover_on.iter().map(ToString::to_string).collect();
    format!("{primary}, and {secondary} where {primary} gives no answer or one of {}", statuses.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(generation: i64, hosts: &str, rows: &[(&str, &str)]) -> Listing {
        Listing {
            name: "default/shop".into(),
            file: "shop.yaml".into(),
            generation,
            hosts: hosts.into(),
            rows: rows.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        }
    }

    #[test]
    fn all_is_said_once_and_then_what_has_become_different() {
        let (app, api) = (("app", "http://a"), ("api", "http://b"));
        let first = listing(1, "every Host", &[app, api]);
        let said = "serving default/shop (shop.yaml) generation 1 for every Host\n  app: http://a\n  api: http://b\n";
        assert_eq!(first.since(None), said);
        assert_eq!(first.since(Some(&first)), "");
        let edited = listing(2, "every Host", &[app, api]);
        assert_eq!(edited.since(Some(&first)), "serving default/shop generation 2\n");
        let moved = listing(3, "a.example", &[app, ("api", "http://c")]);
        assert_eq!(moved.since(Some(&edited)), "serving default/shop generation 3 for a.example\n  api: http://c\n");
        let fewer = listing(4, "a.example", &[app]);
        assert_eq!(fewer.since(Some(&moved)), "serving default/shop generation 4\n  api: is no more\n");
    }
}
