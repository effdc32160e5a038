//! Contract calls: nothing is called that no grant lists, with no other arguments, and no danger comes in by the way.

use holdfast_chains::{Address, Amount, Calldata, FunctionSignature};
use holdfast_policy::{
    Activity, Decision, FrozenSubject, Outcome, PaymentSeen, PolicyDiff, PolicyDocument, ReasonCode,
    TimestampMs, WithdrawalFacts,
};

use crate::legal_orders;
use crate::world::{
    APPROVER, DAY, DEMO_POLICY, GOOD, NOW, SANCTIONED, World, address, approved_by, customer, entry, result,
    symbol, withdrawal,
};

pub(crate) const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
/// The contract that `hot-1` stakes with.
pub(crate) const STAKING: &str = "0x00000000219ab540356cBB839Cbe05303d7705Fa";
pub(crate) const OWN: &str = "0x2222222222222222222222222222222222222222";
pub(crate) const APPROVE: &str = "approve(address,uint256)";
const STAKE: &str = "stake(bytes32,address,address[],bool)";

pub(crate) fn listing(function: &str, more: &str) -> String {
    format!("[[grant.call]]\ncontract = \"{USDT}\"\nfunction = \"{function}\"\n{more}\n")
}

fn bounded_approve() -> String {
    listing(
        APPROVE,
        &format!(
            "arguments = [{{ position = 1, one_of = [\"{GOOD}\"] }}, {{ position = 2, at_most = \"1000\" }}]"
        ),
    )
}

pub(crate) fn policy(calls: &str) -> String {
    let grant = format!(
        "[[grant]]\nid = \"hot-calls\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\"]\nclients = [\"pipeline\"]\ndestinations = \"whitelisted\"\nmax_amount = {{ ETH = \"1000000000000000000\" }}\n\n{calls}\n[[restriction]]"
    );
    DEMO_POLICY.replacen("[[restriction]]", &grant, 1)
}

pub(crate) fn world(calls: &str) -> World {
    let mut world = World::with_policy(&policy(calls));
    world.entries.extend([entry("usdt", USDT), entry("staking", STAKING)]);
    world.own_address = Some(address(OWN));
    world
}

fn word(number: u128) -> Vec<u8> {
    [vec![0; 16], number.to_be_bytes().to_vec()].concat()
}

pub(crate) fn of_address(text: &str) -> Vec<u8> {
    [vec![0; 12], address(text).as_bytes().to_vec()].concat()
}

pub(crate) fn calldata(function: &str, words: &[Vec<u8>]) -> Calldata {
    let selector = FunctionSignature::parse(function).unwrap().selector().0;
    Calldata::new(&[selector.to_vec(), words.concat()].concat()).unwrap()
}

/// A call of a contract that sends nothing along.
pub(crate) fn call(contract: &str, call: Calldata) -> WithdrawalFacts {
    WithdrawalFacts {
        asset: symbol("ETH"),
        amount: Amount::ZERO,
        destination: address(contract),
        call: Some(call),
        ..withdrawal()
    }
}

pub(crate) fn approve(spender: &str, amount: u128) -> WithdrawalFacts {
    call(USDT, calldata(APPROVE, &[of_address(spender), word(amount)]))
}

pub(crate) fn denied(decision: &Decision) -> ReasonCode {
    assert_eq!(decision.outcome, Outcome::Deny, "{decision:#?}");
    decision.main_reason().unwrap()
}

fn refused(calls: &str, facts: &WithdrawalFacts) -> ReasonCode {
    denied(&world(calls).evaluate(facts))
}

/// Every reason that only calls have.
pub(crate) fn codes() -> Vec<ReasonCode> {
    let world = world(&bounded_approve());
    let mut decisions = vec![
        world.evaluate(&WithdrawalFacts { call: None, ..approve(GOOD, 1) }),
        world.evaluate(&approve(GOOD, 1000)),
        world.evaluate(&approve(GOOD, 1001)),
        world.evaluate(&approve(SANCTIONED, 1)),
        world.evaluate(&WithdrawalFacts { asset: symbol("USDT"), ..approve(GOOD, 1) }),
        world.evaluate(&call(USDT, calldata(APPROVE, &[of_address(GOOD), vec![0xff; 32]]))),
        world.evaluate(&call(USDT, calldata(APPROVE, &[of_address(GOOD)]))),
        world.evaluate(&call(USDT, calldata("mint()", &[]))),
        World::demo().evaluate(&approve(GOOD, 1)),
    ];
    for function in ["multicall(bytes[])", "aggregate((address,bytes)[])", "upgradeTo(address)"] {
        let empty = if function.starts_with('u') { vec![of_address(GOOD)] } else { vec![word(32), word(0)] };
        decisions.push(self::world(&listing(function, "")).evaluate(&call(USDT, calldata(function, &empty))));
    }
    decisions.push(
        self::world(&listing("multicall(bytes[])", "allow = [\"nested_call\"]"))
            .evaluate(&call(USDT, calldata("multicall(bytes[])", &[word(32), word(0)]))),
    );
    decisions.into_iter().flat_map(|decision| decision.rules).map(|rule| rule.code).collect()
}

#[test]
fn listed_call_is_allowed_to_the_unit_and_says_what_it_does() {
    let world = world(&bounded_approve());
    let decision = world.evaluate(&approve(GOOD, 1000));
    assert_eq!(decision.outcome, Outcome::Allow, "{decision:#?}");
    let said = result(&decision, "builtin.call");
    let good = address(GOOD);
    assert_eq!(
        (said.code, said.detail.as_str()),
        (ReasonCode::CallListed, &*format!("`{APPROVE}` of {USDT} with ({good}, 1000)"))
    );
    assert_eq!(result(&decision, "hot-payouts").code, ReasonCode::GrantOfTransfers);
    assert_eq!(denied(&world.evaluate(&approve(GOOD, 1001))), ReasonCode::CallArgumentRefused);
    assert_eq!(denied(&world.evaluate(&approve(OWN, 1000))), ReasonCode::CallArgumentRefused);
}

#[test]
fn grant_of_transfers_never_grants_a_call_and_the_other_way_round() {
    let mut transfers = World::demo();
    transfers.entries.push(entry("usdt", USDT));
    assert_eq!(denied(&transfers.evaluate(&approve(GOOD, 1))), ReasonCode::CallNotListed);
    let any = DEMO_POLICY.replace("destinations = \"whitelisted\"", "destinations = \"any\"");
    let any = World { document: PolicyDocument::parse(&any).unwrap(), ..transfers };
    assert_eq!(denied(&any.evaluate(&approve(GOOD, 1))), ReasonCode::CallNotListed);
    // Without the grant of transfers nothing is paid, to the very contract that may be called.
    let calls_only = policy(&bounded_approve()).replacen("wallets = [\"hot-1\"]", "wallets = [\"hot-9\"]", 1);
    let calls_only =
        World { document: PolicyDocument::parse(&calls_only).unwrap(), ..world(&bounded_approve()) };
    let pays = WithdrawalFacts { call: None, amount: Amount::from_u128(1), ..approve(GOOD, 1) };
    assert_eq!(denied(&calls_only.evaluate(&pays)), ReasonCode::NoGrant);
    assert_eq!(result(&calls_only.evaluate(&pays), "hot-calls").code, ReasonCode::GrantOfCalls);
    assert_eq!(calls_only.evaluate(&approve(GOOD, 1)).outcome, Outcome::Allow);
}

#[test]
fn approval_without_a_bound_is_denied_unless_that_listing_takes_it_on_purpose() {
    let unlimited = |amount: Vec<u8>| call(USDT, calldata(APPROVE, &[of_address(GOOD), amount]));
    let edge = [vec![0; 15], vec![1], vec![0; 16]].concat();
    let open = listing(APPROVE, "");
    for amount in [vec![0xff; 32], edge.clone()] {
        assert_eq!(refused(&open, &unlimited(amount)), ReasonCode::CallUnlimitedApproval);
    }
    assert_eq!(world(&open).evaluate(&unlimited(word(u128::MAX))).outcome, Outcome::Allow, "one below");
    let taken = listing(APPROVE, "allow = [\"unlimited_approval\"]");
    assert_eq!(world(&taken).evaluate(&unlimited(vec![0xff; 32])).outcome, Outcome::Allow);
    // The same words on another function of the same contract are no permission for this one.
    let elsewhere = format!("{open}{}", listing("permit(address)", "allow = [\"unlimited_approval\"]"));
    assert_eq!(refused(&elsewhere, &unlimited(edge)), ReasonCode::CallUnlimitedApproval);
}

#[test]
fn every_other_way_to_let_somebody_take_tokens_is_denied() {
    for (function, words) in [
        ("increaseAllowance(address,uint256)", vec![of_address(GOOD), word(1)]),
        ("increaseApproval(address,uint256)", vec![of_address(GOOD), word(1)]),
        ("setApprovalForAll(address,bool)", vec![of_address(GOOD), word(1)]),
        (
            "approve(address,address,uint160,uint48)",
            vec![of_address(USDT), of_address(GOOD), word(1), word(1)],
        ),
        (
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            vec![of_address(OWN), of_address(GOOD), word(1), word(1), word(27), word(1), word(1)],
        ),
    ] {
        let code = refused(&listing(function, ""), &call(USDT, calldata(function, &words)));
        assert_eq!(code, ReasonCode::CallUnlimitedApproval, "{function}");
        let taken = listing(function, "allow = [\"unlimited_approval\"]");
        assert_eq!(
            world(&taken).evaluate(&call(USDT, calldata(function, &words))).outcome,
            Outcome::Allow,
            "{function}"
        );
    }
    let revoke = "setApprovalForAll(address,bool)";
    let facts = call(USDT, calldata(revoke, &[of_address(GOOD), word(0)]));
    assert_eq!(
        world(&listing(revoke, "")).evaluate(&facts).outcome,
        Outcome::Allow,
        "taking back is no danger"
    );
}

#[test]
fn delegatecall_and_calls_inside_of_calls_are_denied_unless_listed() {
    let safe = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)";
    let transaction = |operation: u128| {
        let head = [of_address(GOOD), word(0), word(320), word(operation), word(0), word(0), word(0)];
        let tail = [word(0), word(0), word(352), word(0), word(0)];
        call(USDT, calldata(safe, &[head.concat(), tail.concat()]))
    };
    let refuse = |allow: &str, operation| refused(&listing(safe, allow), &transaction(operation));
    assert_eq!(refuse("", 0), ReasonCode::CallNested);
    assert_eq!(refuse("", 1), ReasonCode::CallNested);
    assert_eq!(refuse("allow = [\"nested_call\"]", 1), ReasonCode::CallDelegates);
    assert_eq!(refuse("allow = [\"delegatecall\"]", 1), ReasonCode::CallNested);
    let allowed =
        |allow: &str, operation| world(&listing(safe, allow)).evaluate(&transaction(operation)).outcome;
    assert_eq!(allowed("allow = [\"nested_call\"]", 0), Outcome::Allow);
    assert_eq!(allowed("allow = [\"nested_call\", \"delegatecall\"]", 1), Outcome::Allow);
    for function in
        ["multicall(bytes[])", "multicall(uint256,bytes[])", "executeBatch(address[],uint256[],bytes[])"]
    {
        let count = function.matches("[]").count();
        let fixed = usize::from(function.contains("(uint256,"));
        let offsets = (0..count).map(|n| word(32 * u128::try_from(fixed + count + n).unwrap()));
        let words: Vec<_> =
            (0..fixed).map(|_| word(0)).chain(offsets).chain((0..count).map(|_| word(0))).collect();
        let facts = call(USDT, calldata(function, &words));
        assert_eq!(
            refused(&listing(function, "allow = [\"nested_call\"]"), &facts),
            ReasonCode::CallDelegates,
            "{function}"
        );
    }
}

#[test]
fn upgrades_and_new_owners_are_denied_unless_listed() {
    for function in [
        "upgradeTo(address)",
        "changeAdmin(address)",
        "transferOwnership(address)",
        "setImplementation(address)",
    ] {
        let facts = call(USDT, calldata(function, &[of_address(GOOD)]));
        assert_eq!(refused(&listing(function, ""), &facts), ReasonCode::CallUpgrades, "{function}");
        assert_eq!(
            world(&listing(function, "allow = [\"proxy_upgrade\"]")).evaluate(&facts).outcome,
            Outcome::Allow,
            "{function}"
        );
    }
}

#[test]
fn dangers_are_known_by_their_names_in_whatever_case_and_with_whatever_arguments() {
    for (name, code) in [
        ("multiCall", ReasonCode::CallNested),
        ("wc_multiCall", ReasonCode::CallNested),
        ("relay", ReasonCode::CallNested),
        ("Permit", ReasonCode::CallUnlimitedApproval),
        ("UpgradeTo", ReasonCode::CallUpgrades),
        ("installModule", ReasonCode::CallUpgrades),
    ] {
        let function = format!("{name}(address)");
        let facts = call(USDT, calldata(&function, &[of_address(GOOD)]));
        assert_eq!(refused(&listing(&function, ""), &facts), code, "{name}");
    }
}

#[test]
fn other_contract_function_chain_or_calldata_is_not_listed() {
    let listed = bounded_approve();
    assert_eq!(
        refused(&listed, &WithdrawalFacts { destination: address(STAKING), ..approve(GOOD, 1) }),
        ReasonCode::CallNotListed
    );
    let other = call(USDT, calldata("approved(address,uint256)", &[of_address(GOOD), word(1)]));
    assert_eq!(refused(&listed, &other), ReasonCode::CallNotListed);
    for words in [
        vec![of_address(GOOD), word(1), vec![0]],
        vec![of_address(GOOD), word(1), word(0)],
        vec![of_address(GOOD), vec![0; 31]],
        vec![vec![1], of_address(GOOD)[1..].to_vec(), word(1)],
    ] {
        assert_eq!(
            refused(&listed, &call(USDT, calldata(APPROVE, &words))),
            ReasonCode::CallMalformed,
            "{words:?}"
        );
    }
    let in_tokens = WithdrawalFacts { asset: symbol("USDT"), ..approve(GOOD, 1) };
    assert_eq!(refused(&listed, &in_tokens), ReasonCode::CallAssetNotNative);
}

#[test]
fn arguments_are_the_wallets_own_or_whitelisted_where_the_listing_says_so() {
    let stake = |choices: &str| {
        format!(
            "[[grant.call]]\ncontract = \"{STAKING}\"\nfunction = \"{STAKE}\"\narguments = [{{ position = 2, one_of = [{choices}] }}, {{ position = 1, one_of = [\"0x{}\"] }}]\n",
            "01".repeat(32)
        )
    };
    let staked = |credentials: u8, owner: &str| {
        let words = [vec![credentials; 32], of_address(owner), word(128), word(1), word(0)];
        call(STAKING, calldata(STAKE, &words))
    };
    let own = stake("\"wallet\"");
    assert_eq!(world(&own).evaluate(&staked(1, OWN)).outcome, Outcome::Allow);
    assert_eq!(refused(&own, &staked(1, GOOD)), ReasonCode::CallArgumentRefused);
    assert_eq!(refused(&own, &staked(2, OWN)), ReasonCode::CallArgumentRefused);
    let unknown = World { own_address: None, ..world(&own) };
    assert_eq!(
        denied(&unknown.evaluate(&staked(1, OWN))),
        ReasonCode::CallArgumentRefused,
        "absent is nobody's"
    );
    let listed = stake("\"whitelisted\"");
    assert_eq!(world(&listed).evaluate(&staked(1, GOOD)).outcome, Outcome::Allow);
    assert_eq!(refused(&listed, &staked(1, OWN)), ReasonCode::CallArgumentRefused);
    let mut expired = world(&listed);
    expired.entries[0].expires_at = TimestampMs(NOW);
    assert_eq!(denied(&expired.evaluate(&staked(1, GOOD))), ReasonCode::CallArgumentRefused);
}

#[test]
fn sanctioned_address_is_found_wherever_the_calldata_hides_it() {
    let open = format!("{}{}", listing(APPROVE, ""), listing("note(bytes,uint256)", ""));
    let in_argument = approve(SANCTIONED, 1);
    assert_eq!(refused(&open, &in_argument), ReasonCode::CallAddressSanctioned);
    let number = calldata("note(bytes,uint256)", &[word(64), of_address(SANCTIONED), word(0)]);
    assert_eq!(refused(&open, &call(USDT, number)), ReasonCode::CallAddressSanctioned);
    let hidden = [vec![7], address(SANCTIONED).as_bytes().to_vec(), vec![0; 11]].concat();
    let note = calldata("note(bytes,uint256)", &[word(64), word(1), word(21), hidden]);
    let decision = world(&open).evaluate(&call(USDT, note));
    assert_eq!(denied(&decision), ReasonCode::CallAddressSanctioned);
    assert_eq!(decision.risk.score, 100, "the score knows it too");
    let mut unloaded = world(&open);
    unloaded.lists.clear();
    assert_eq!(denied(&unloaded.evaluate(&approve(GOOD, 1))), ReasonCode::ScreeningListAbsent);
}

#[test]
fn pauses_freezes_whitelist_fee_caps_and_limits_apply_to_calls() {
    let listed = listing(APPROVE, "");
    let mut frozen = world(&listed);
    frozen.legal.freezes.push(legal_orders::freeze(FrozenSubject::Destination, "fiu"));
    assert_eq!(denied(&frozen.evaluate(&approve(GOOD, 1))), ReasonCode::DestinationFrozen);
    let mut unlisted = world(&listed);
    unlisted.entries.retain(|entry| entry.address != address(USDT));
    assert_eq!(denied(&unlisted.evaluate(&approve(GOOD, 1))), ReasonCode::DestinationNotWhitelisted);
    let costly = WithdrawalFacts { fee_cap: Amount::MAX, ..approve(GOOD, 1) };
    assert_eq!(refused(&listed, &costly), ReasonCode::FeeCapTooHigh);
    let ether = |tenths: u128| WithdrawalFacts {
        amount: Amount::from_u128(tenths * 100_000_000_000_000_000),
        ..approve(GOOD, 1)
    };
    assert_eq!(world(&listed).evaluate(&ether(10)).outcome, Outcome::Allow);
    let above = world(&listed).evaluate(&ether(11));
    assert_eq!(denied(&above), ReasonCode::NoGrant);
    assert_eq!(result(&above, "hot-calls").code, ReasonCode::AboveGrantMaximum);
    let mut counted = world(&listed);
    counted.limit_windows("asset = \"ETH\"", "deny_above = \"1000000000000000000\"");
    assert_eq!(counted.evaluate(&ether(10)).outcome, Outcome::Allow);
    let spent = WithdrawalFacts { amount: Amount::from_u128(1), ..ether(1) };
    let outflow = spent.outflow(&crate::world::eth(), None);
    counted.outflows.hold_place(1, outflow, holdfast_policy::OutflowStage::Authorized);
    assert_eq!(
        denied(&counted.evaluate(&ether(10))),
        ReasonCode::WindowLimitReached,
        "value counts in windows"
    );
}

#[test]
fn call_that_is_held_is_allowed_once_officers_approved_exactly_it() {
    let calm = policy(&bounded_approve()).replace("hold_at = 40", "hold_at = 25");
    let mut world = World { document: PolicyDocument::parse(&calm).unwrap(), ..world(&bounded_approve()) };
    world.alice().new_device = true;
    let held = approve(GOOD, 1000);
    assert!(world.evaluate(&held).hold().unwrap().approvals.contains_key(&APPROVER.parse().unwrap()));
    assert_eq!(world.evaluate(&approved_by(&world, &held, &["ann", "ben"])).outcome, Outcome::Allow);
}

#[test]
fn look_alike_among_the_arguments_is_found() {
    const PAID: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
    let alike = "0x5290000000000000000000000000000000009ee7";
    let text = policy(&listing(APPROVE, "")).replacen(
        "[risk]\n",
        "[risk]\nlook_alike = { weight = 30, first_digits = 4, last_digits = 4 }\nwallet_look_alike = { weight = 31, first_digits = 4, last_digits = 4 }\n",
        1,
    );
    let mut world = World {
        document: PolicyDocument::parse(&text).unwrap(),
        ..world(
            "[[grant.call]]\ncontract = \"0xdAC17F958D2ee523a2206206994597C13D831ec7\"\nfunction = \"a()\"\n",
        )
    };
    let mut activity = Activity::default();
    activity.register(&customer("alice"), TimestampMs(NOW - 400 * DAY), None);
    let paid = address(PAID);
    let facts = withdrawal();
    let seen = PaymentSeen {
        at: TimestampMs(NOW - DAY),
        destination: &paid,
        usd_cents: None,
        client: &facts.client,
    };
    activity.record_payment(&facts.wallet, holdfast_chains::ChainId(1), facts.customer.as_ref(), &seen);
    world.activity = Some(activity);
    let score = |world: &World, spender: &str| world.evaluate(&approve(spender, 1)).risk.score;
    assert_eq!(score(&world, PAID), 0, "what is paid is in use");
    assert!(score(&world, alike) >= 31, "{:#?}", world.evaluate(&approve(alike, 1)).risk);
}

#[test]
fn one_listing_less_or_one_argument_rule_more_never_allows_more() {
    let facts: Vec<_> = [(GOOD, 1), (GOOD, 1001), (OWN, 1)].map(|(to, amount)| approve(to, amount)).into();
    let (open, bounded) = (world(&listing(APPROVE, "")), world(&bounded_approve()));
    for facts in facts {
        let (less, more) = (bounded.evaluate(&facts).is_allowed(), open.evaluate(&facts).is_allowed());
        assert!(more || !less);
    }
    let restricted = policy(&bounded_approve()).replacen(
        "[risk]",
        "[[restriction]]\nid = \"cap\"\ntype = \"fee_cap\"\nchain_id = 1\nmax = \"0\"\n\n[risk]",
        1,
    );
    let restricted = World { document: PolicyDocument::parse(&restricted).unwrap(), ..bounded };
    assert_eq!(denied(&restricted.evaluate(&approve(GOOD, 1))), ReasonCode::FeeCapTooHigh);
}

fn differences(old: &str, new: &str) -> Vec<String> {
    let [old, new] = [old, new].map(|calls| {
        PolicyDocument::parse(&if calls.is_empty() { DEMO_POLICY.to_owned() } else { policy(calls) }).unwrap()
    });
    PolicyDiff::between(&old, &new)
        .changes()
        .iter()
        .map(|change| format!("{} {change}", change.effect))
        .collect()
}

#[test]
fn diff_of_calls_is_point_by_point_and_what_is_added_loosens() {
    assert_eq!(differences("", &bounded_approve()), ["loosens grant hot-calls: added"]);
    let (open, name) = (listing(APPROVE, ""), format!("grant hot-calls: call {USDT} {APPROVE}"));
    assert_eq!(
        differences(&open, &bounded_approve()),
        [
            format!("tightens {name} argument 1 anything -> one of {}", address(GOOD)),
            format!("tightens {name} argument 2 anything -> at most 1000"),
        ]
    );
    let more = bounded_approve().replace("\"1000\"", "\"1001\"");
    assert_eq!(differences(&bounded_approve(), &more), [format!("loosens {name} argument 2 1000 -> 1001")]);
    let other = format!("{open}{}", listing("mint()", ""));
    assert_eq!(differences(&open, &other), [format!("loosens grant hot-calls: call + {USDT} mint()")]);
    assert_eq!(differences(&other, &open), [format!("tightens grant hot-calls: call - {USDT} mint()")]);
    let taken = listing(APPROVE, "allow = [\"unlimited_approval\"]");
    assert_eq!(differences(&open, &taken), [format!("loosens {name} allow + unlimited_approval")]);
    assert_eq!(differences(&taken, &open), [format!("tightens {name} allow - unlimited_approval")]);
    // Without its last call a grant would be one of transfers.
    let transfers = policy("");
    let [old, new] = [policy(&open), transfers].map(|text| PolicyDocument::parse(&text).unwrap());
    let changes: Vec<_> = PolicyDiff::between(&old, &new).changes().iter().map(ToString::to_string).collect();
    assert!(PolicyDiff::between(&old, &new).loosens());
    assert!(changes.contains(&"grant hot-calls: gives transfers instead of calls".to_owned()), "{changes:?}");
}

#[test]
fn listings_that_cannot_be_meant_are_refused_with_their_field() {
    let refused = |calls: &str| PolicyDocument::parse(&policy(calls)).unwrap_err().to_string();
    for (function, more, field, reason) in [
        ("transfer(address,uint256)", "", "grant[1].call[0].function", "moves a token"),
        ("transferFrom(address,address,uint256)", "", "grant[1].call[0].function", "moves a token"),
        ("approve(address, uint256)", "", "grant[1].call[0].function", "write that"),
        ("approve", "", "grant[1].call[0].function", "a signature is"),
        (APPROVE, "allow = [\"everything\"]", "grant[1].call[0].allow[0]", "unlimited_approval"),
        (
            APPROVE,
            "arguments = [{ position = 3, at_most = \"1\" }]",
            "grant[1].call[0].arguments[0].position",
            "2 arguments",
        ),
        (
            APPROVE,
            "arguments = [{ position = 1, at_most = \"1\" }]",
            "grant[1].call[0].arguments[0].at_most",
            "is address",
        ),
        (
            APPROVE,
            "arguments = [{ position = 1, one_of = [\"me\"] }]",
            "grant[1].call[0].arguments[0].one_of[0]",
            "",
        ),
        (APPROVE, "arguments = [{ position = 1 }]", "grant[1].call[0].arguments[0].one_of", ""),
        (APPROVE, "surprise = 1", "grant[1].call[0].surprise", ""),
    ] {
        let error = refused(&listing(function, more));
        assert!(error.contains(field) && error.contains(reason), "{function} {more}: {error}");
    }
    let zero = bounded_approve().replace(USDT, &Address::ZERO.to_string());
    assert!(refused(&zero).contains("zero address"));
    assert!(refused(&format!("{}{}", bounded_approve(), listing(APPROVE, ""))).contains("grant[1].call[1]"));
}
