//! A configuration as the operator compiled it into the tables that requests are looked up in.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use edge_cache::pattern::Patterns;
use edge_cache::proxies::TrustedProxies;
use edge_cache::response_headers::HeaderRules;
use edge_cache::{NormalPath, Policy};
use edge_contract::{Behavior, EdgeConfig, Epoch, Origin, Protocol, Reference, Site};

use crate::health::Health;
use crate::metrics::BehaviorCounters;

/// Everything that one configuration serves. Immutable: a request keeps the one it began with.
#[derive(Debug)]
pub struct Sites {
    /// The life of the revision's counter.
    pub epoch: Epoch,
    /// Which configuration it is.
    pub revision: u64,
    /// The sites in the configuration's order.
    pub sites: Vec<Arc<SiteTable>>,
    by_name: HashMap<String, Arc<SiteTable>>,
    wildcards: Vec<(String, Arc<SiteTable>)>,
    any_host: Option<Arc<SiteTable>>,
}

/// One distribution, ready to be asked.
#[derive(Debug)]
pub struct SiteTable {
    /// As it was configured.
    pub site: Site,
    /// In the configuration's order.
    pub origins: Vec<Arc<OriginTable>>,
    /// In order; the last one matches everything.
    pub behaviors: Vec<Arc<BehaviorTable>>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted: TrustedProxies,
    patterns: Patterns,
}

/// Where responses come from, ready to be asked.
#[derive(Debug)]
pub struct OriginTable {
    /// As it was configured.
    pub origin: Origin,
    /// What became of asking it, through all revisions that leave its target alone.
    pub health: Arc<Health>,
}

impl Deref for OriginTable {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

/// One path rule, ready to be asked.
#[derive(Debug)]
pub struct BehaviorTable {
    /// As it was configured.
    pub behavior: Behavior,
    /// What storing and reuse are judged by.
    pub policy: Policy,
    /// What is changed in the heads that viewers are shown.
    pub header_rules: HeaderRules,
    /// Where its responses come from.
    pub origin: Arc<OriginTable>,
    /// What is asked where that one gives none.
    pub secondary: Option<Arc<OriginTable>>,
    /// Statuses of the first that are as good as none.
    pub failover_on: Vec<u16>,
    /// What has been counted for it, through all revisions.
    pub counters: Arc<BehaviorCounters>,
    /// Whether its origin is the second of a group, asked alone.
    pub stands_in: bool,
    /// The same with one of the two origins of its group alone.
    members: Vec<Arc<BehaviorTable>>,
}

impl Sites {
    /// Compiles a configuration, or says in one sentence each why not. Counters go on from `before`.
    pub fn compile(config: EdgeConfig, before: Option<&Self>) -> Result<Self, String> {
        let faults: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let tables = config.sites.into_iter().map(|site| SiteTable::compile(site, before).map(Arc::new));
        let sites = tables.collect::<Result<Vec<_>, _>>()?;
        let mut compiled = Self {
            epoch: config.epoch,
            revision: config.revision,
            sites: sites.clone(),
            by_name: HashMap::new(),
            wildcards: Vec::new(),
            any_host: None,
        };
        for table in &sites {
            compiled.name(table);
        }
        // The longest suffix is the one that says most.
        compiled.wildcards.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        Ok(compiled)
    }

    fn name(&mut self, table: &Arc<SiteTable>) {
        let site = &table.site;
        if site.aliases.is_empty() {
            self.any_host.get_or_insert_with(|| Arc::clone(table));
        }
        for alias in &site.aliases {
            match alias.strip_prefix('*') {
                Some(suffix) => self.wildcards.push((suffix.to_ascii_lowercase(), Arc::clone(table))),
                None => drop(self.by_name.insert(alias.to_ascii_lowercase(), Arc::clone(table))),
            }
        }
        for name in &site.own_names {
            self.by_name.entry(name.to_ascii_lowercase()).or_insert_with(|| Arc::clone(table));
        }
    }

    /// An exact alias or one of a distribution's own names. `host` is in lower case, without port and trailing dot.
    pub fn by_name(&self, host: &str) -> Option<&Arc<SiteTable>> {
        self.by_name.get(host)
    }

    /// The longest wildcard alias; its `*` stands for at least one character.
    pub fn by_wildcard(&self, host: &str) -> Option<&Arc<SiteTable>> {
        let covers = |suffix: &str| host.len() > suffix.len() && host.ends_with(suffix);
        self.wildcards.iter().find(|(suffix, _)| covers(suffix)).map(|(_, table)| table)
    }

    /// The distribution without aliases, if there is one.
    pub fn for_any_host(&self) -> Option<&Arc<SiteTable>> {
        self.any_host.as_ref()
    }

    /// Whether some site lets viewers speak this.
    pub fn speak(&self, protocol: Protocol) -> bool {
        self.sites.iter().any(|table| table.site.protocols.contains(&protocol))
    }

    /// Every mounted file that one of them names.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        self.sites.iter().flat_map(|table| table.site.references())
    }

    /// Every behavior, with its site.
    pub fn behaviors(&self) -> impl Iterator<Item = (&SiteTable, &BehaviorTable)> {
        self.sites.iter().flat_map(|table| table.behaviors.iter().map(|behavior| (table.as_ref(), behavior.as_ref())))
    }

    /// The site with this id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<SiteTable>> {
        self.sites.iter().find(|table| table.site.id == id)
    }
}

impl SiteTable {
    fn compile(site: Site, before: Option<&Sites>) -> Result<Self, String> {
        let known = before.and_then(|sites| sites.by_id(&site.id));
        let origins: Vec<_> = site.origins.iter().map(|origin| Arc::new(OriginTable::compile(origin, known))).collect();
        let named = |name: &str| origins.iter().find(|origin| origin.name == name).map(Arc::clone);
        let mut behaviors = Vec::with_capacity(site.behaviors.len());
        for behavior in &site.behaviors {
            let group = site.origin_groups.iter().find(|group| group.name == behavior.origin);
            let Some(origin) = named(group.map_or(&behavior.origin, |group| &group.primary)) else {
                return Err(format!("{}: there is no origin {}", site.name, behavior.origin));
            };
            let counted = known.and_then(|table| table.by_pattern(&behavior.path_pattern));
            let counters = counted.map(|table| Arc::clone(&table.counters)).unwrap_or_default();
            let alone = |origin: &Arc<OriginTable>| BehaviorTable {
                behavior: behavior.clone(),
                policy: Policy::of(behavior).with_floors(&site.error_responses),
                header_rules: HeaderRules::of(&behavior.response_headers),
                origin: Arc::clone(origin),
                secondary: None,
                failover_on: Vec::new(),
                counters: Arc::clone(&counters),
                stands_in: group.is_some_and(|group| group.secondary == origin.name),
                members: Vec::new(),
            };
            let secondary = group.and_then(|group| named(&group.secondary));
            let members = secondary.iter().flat_map(|secondary| [&origin, secondary]).map(|one| Arc::new(alone(one)));
            behaviors.push(Arc::new(BehaviorTable {
                members: members.collect(),
                failover_on: group.map(|group| group.failover_on.clone()).unwrap_or_default(),
                secondary,
                ..alone(&origin)
            }));
        }
        let patterns = Patterns::new(site.behaviors.iter().map(|behavior| behavior.path_pattern.as_str()));
        Ok(Self { origins, behaviors, trusted: TrustedProxies::new(&site.trusted_proxies), patterns, site })
    }

    /// What is known of an origin, if it is the same.
    fn health(&self, origin: &Origin) -> Option<Arc<Health>> {
        self.origins.iter().map(|table| &table.health).find(|health| health.is_of(origin)).map(Arc::clone)
    }

    fn by_pattern(&self, pattern: &str) -> Option<&Arc<BehaviorTable>> {
        self.behaviors.iter().find(|table| table.behavior.path_pattern == pattern)
    }

    /// The first behavior that serves this path; the last one serves every path.
    pub fn behavior(&self, path: &NormalPath) -> Option<&Arc<BehaviorTable>> {
        self.behaviors.get(self.patterns.first(path)?)
    }
}

impl BehaviorTable {
    /// The same with this origin alone, if it is one of those that serve here.
    pub fn alone(self: &Arc<Self>, origin: &str) -> Option<Arc<Self>> {
        let whole = Some(self).filter(|_| self.secondary.is_none());
        whole.into_iter().chain(&self.members).find(|table| table.origin.name == origin).map(Arc::clone)
    }

    /// Whether what an origin of this name gave came from the one that stands in for the other.
    pub fn is_stand_in(&self, origin: &str) -> bool {
        self.secondary.as_ref().is_some_and(|secondary| secondary.name == origin)
    }
}

impl OriginTable {
    fn compile(origin: &Origin, before: Option<&Arc<SiteTable>>) -> Self {
        let known = before.and_then(|site| site.health(origin));
        Self { health: known.unwrap_or_else(|| Arc::new(Health::of(origin))), origin: origin.clone() }
    }
}
