//! `docs/api.md` and the code say the same: methods, reasons, limits.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use holdfast_proto::{FILE_DESCRIPTOR_SET, REASONS, limits};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
const ROLES: [&str; 7] = ["client", "officer", "auditor", "operator", "provider", "coordinator", "node"];

#[test]
fn every_method_is_in_the_role_table_and_no_other() {
    let in_document: BTreeSet<String> = role_table().into_keys().collect();
    assert_eq!(in_document, methods());
}

#[test]
fn every_method_has_a_role_that_may_call_it() {
    for (method, roles) in role_table() {
        assert!(!roles.is_empty(), "nobody may call {method}");
    }
}

#[test]
fn only_the_coordinator_calls_nodes_and_risk_providers_and_nothing_else() {
    for (method, roles) in role_table() {
        let served_to_it =
            ["NodeService.", "RiskProvider."].iter().any(|service| method.starts_with(service));
        assert_eq!(served_to_it, roles.contains("coordinator"), "{method}: {roles:?}");
        assert!(!roles.contains("node"), "{method}: nodes are called, they do not call");
        if served_to_it {
            assert_eq!(roles.len(), 1, "{method}: {roles:?}");
        }
    }
}

#[test]
fn reason_table_is_the_one_in_the_code() {
    let in_document: BTreeMap<String, (String, String)> = table_rows("| Reason |")
        .into_iter()
        .map(|row| (unquoted(&row[0]), (unquoted(&row[1]), row[2].clone())))
        .collect();
    let in_code: BTreeMap<String, (String, String)> = REASONS
        .iter()
        .map(|row| (row.reason.to_owned(), (code_name(row.code), row.action.as_str().to_owned())))
        .collect();
    assert_eq!(in_document, in_code);
}

#[test]
fn limits_are_the_ones_in_the_code() {
    let in_document: BTreeMap<String, String> =
        table_rows("| Limit |").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let expected = [
        ("envelope", format!("{} bytes", limits::ENVELOPE_BYTES)),
        ("log entry", format!("{} bytes", limits::ENTRY_BYTES)),
        ("message", format!("{} bytes", limits::MESSAGE_BYTES)),
        ("message of `NodeService`", format!("{} bytes", limits::NODE_MESSAGE_BYTES)),
        ("unary call", format!("{} ms", limits::CALL_MS)),
        ("`wait_ms`", format!("{} ms", limits::WAIT_MS)),
        ("`page_size`", format!("{}, {} if 0", limits::PAGE_SIZE, limits::DEFAULT_PAGE_SIZE)),
        ("id or name", format!("{} characters", limits::ID_BYTES)),
    ];
    for (limit, value) in expected {
        assert_eq!(in_document.get(limit), Some(&value), "{limit}");
    }
}

fn methods() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let services = files.iter().flat_map(|file| &file.service);
    services
        .flat_map(|service| {
            service
                .method
                .iter()
                .map(|method| format!("{}.{}", service.name(), method.name()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Method to the roles that may call it.
fn role_table() -> BTreeMap<String, BTreeSet<&'static str>> {
    let header = format!("| Method | {} |", ROLES.join(" | "));
    let rows = table_rows(&header);
    let count = rows.len();
    let table: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| {
            assert!(row[1..].iter().all(|cell| cell.is_empty() || cell == "x"), "{row:?}");
            let roles =
                ROLES.into_iter().zip(&row[1..]).filter(|(_, cell)| *cell == "x").map(|(role, _)| role);
            (unquoted(&row[0]), roles.collect())
        })
        .collect();
    assert_eq!(table.len(), count, "a method is listed twice");
    table
}

/// The cells of the table whose header line starts like this.
fn table_rows(header: &str) -> Vec<Vec<String>> {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let lines: Vec<&str> = document.lines().collect();
    let start = lines.iter().position(|line| line.starts_with(header)).expect(header);
    let columns = lines[start].matches('|').count();
    lines[start + 2..]
        .iter()
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<String> =
                line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            assert_eq!(cells.len() + 1, columns, "{line}");
            cells
        })
        .collect()
}

fn unquoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// The code's name in the gRPC specification.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
