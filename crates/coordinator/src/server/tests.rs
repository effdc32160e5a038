//! The access table is complete and is the one that `docs/api.md` publishes.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use super::*;

/// Methods of the services that the coordinator serves, by path.
fn served() -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.iter().flat_map(|file| file.service.iter());
    let own = services
        .filter(|service| !matches!(service.name(), "NodeService" | "OfficerService" | "RiskProvider"));
    own.flat_map(|service| {
        service.method.iter().map(|method| format!("/holdfast.v1.{}/{}", service.name(), method.name()))
    })
    .collect()
}

#[test]
fn every_served_method_is_in_the_table_and_no_other() {
    let listed: BTreeSet<String> = METHODS.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(listed, served());
    access().unwrap();
}

#[test]
fn table_is_the_published_one() {
    // Given the table of `docs/api.md`: one row a method, one column a role
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md"));
    let rows = document.lines().filter(|line| line.starts_with("| `") && line.contains("Service."));
    let columns = ["client", "officer", "auditor", "operator", "provider", "coordinator", "node"];
    let published: BTreeMap<String, BTreeSet<&str>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let method = cells[1].trim_matches('`').replace('.', "/");
            let roles =
                columns.iter().zip(&cells[2..]).filter(|(_, cell)| **cell == "x").map(|(role, _)| *role);
            (format!("/holdfast.v1.{method}"), roles.collect())
        })
        .filter(|(method, _)| served().contains(method))
        .collect();
    // Then the code grants exactly that
    let granted: BTreeMap<String, BTreeSet<&str>> = METHODS
        .iter()
        .map(|(method, roles)| ((*method).to_owned(), roles.iter().map(|role| role.as_str()).collect()))
        .collect();
    assert_eq!(granted, published);
}

#[test]
fn nodes_and_other_coordinators_may_call_nothing() {
    for (method, roles) in METHODS {
        assert!(!roles.contains(&Role::Node) && !roles.contains(&Role::Coordinator), "{method}");
    }
}
