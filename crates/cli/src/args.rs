//! The command line: one enum of commands, and the way from it to an exit code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::audit::{self, AuditCommand};
use crate::ceremony::{self, CeremonyCommand};
use crate::demo::{self, DemoCommand};
use crate::fact::{self, FactCommand};
use crate::failure::{EXIT_CODES, Failure};
use crate::init::{self, InitArgs};
use crate::officer::{self, OfficerCommand};
use crate::order::{self, OrderCommand};
use crate::output::{Answer, Output};
use crate::policy::{self, PolicyCommand};
use crate::provider::{self, ProviderCommand};
use crate::roster::{self, RosterCommand};
use crate::screening::{self, ScreeningCommand};
use crate::session::Session;
use crate::status::{self, StatusArgs};
use crate::wallet::{self, WalletCommand};
use crate::whitelist::{self, WhitelistCommand};
use crate::withdraw::{self, WithdrawCommand};

/// MPC threshold-signing custody: withdrawals for clients, ceremonies for officers, proofs for auditors
///
/// What officers read and sign is generated on this machine, from a log that is downloaded, verified against the pinned
/// genesis and replayed here. What clients get is verified here before it is shown.
#[derive(Parser, Debug)]
#[command(name = "holdfast", version, after_help = EXIT_CODES)]
struct Cli {
    /// Profile: which cluster, where, which keys
    #[arg(
        long,
        global = true,
        env = "HOLDFAST_PROFILE",
        value_name = "FILE",
        default_value = "holdfast.toml"
    )]
    profile: PathBuf,
    /// Print exactly one JSON document on standard output; `audit search`, `sample`, `report` and `monitor` print one a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Init(InitArgs),
    Demo(DemoCommand),
    Status(StatusArgs),
    #[command(subcommand)]
    Wallet(WalletCommand),
    #[command(subcommand)]
    Ceremony(CeremonyCommand),
    #[command(subcommand)]
    Whitelist(WhitelistCommand),
    #[command(subcommand)]
    Withdraw(WithdrawCommand),
    #[command(subcommand)]
    Fact(FactCommand),
    #[command(subcommand)]
    Officer(OfficerCommand),
    #[command(subcommand)]
    Order(OrderCommand),
    #[command(subcommand)]
    Roster(RosterCommand),
    #[command(subcommand)]
    Policy(PolicyCommand),
    #[command(subcommand)]
    Screening(ScreeningCommand),
    #[command(subcommand)]
    Provider(ProviderCommand),
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// Runs the program.
pub(crate) async fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, &arguments),
    };
    let rows = matches!(&cli.command, Command::Audit(command) if command.writes_rows())
        || matches!(&cli.command, Command::Provider(command) if command.writes_rows());
    let output = Output::new(cli.json).with_lines(rows);
    let result = Box::pin(dispatch(&cli, output)).await;
    ExitCode::from(output.finish(&result).code())
}

/// Help and version go to standard output and are no errors; everything else is exit code 2, as JSON if that was asked for.
fn misused(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let informative = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let as_json = arguments.iter().any(|argument| argument == "--json");
    if as_json && !informative {
        let message = error.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim().to_owned();
        let failure = Failure::usage(message).next("see `holdfast --help`");
        return ExitCode::from(Output::new(true).finish(&Err(failure)).code());
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}

async fn dispatch(cli: &Cli, output: Output) -> Result<Answer, Failure> {
    let session = || Session::open(&cli.profile, output);
    match &cli.command {
        Command::Init(args) => init::run(output, args),
        Command::Demo(args) => Box::pin(demo::run(output, args)).await,
        Command::Status(args) => status::run(&session()?, args).await,
        Command::Wallet(command) => Box::pin(wallet::run(&session()?, command)).await,
        Command::Ceremony(command) => Box::pin(ceremony::run(&session()?, command)).await,
        Command::Whitelist(command) => Box::pin(whitelist::run(&session()?, command)).await,
        Command::Withdraw(command) => Box::pin(withdraw::run(&session()?, command)).await,
        Command::Fact(command) => Box::pin(fact::run(&session()?, command)).await,
        Command::Officer(command) => Box::pin(officer::run(&session()?, command)).await,
        Command::Order(command) => Box::pin(order::run(&session()?, command)).await,
        Command::Roster(command) => Box::pin(roster::run(&session()?, command)).await,
        Command::Screening(command) => Box::pin(screening::run(&session()?, command)).await,
        Command::Provider(command) => Box::pin(provider::run(&session()?, command)).await,
        Command::Policy(command) => Box::pin(policy::run(&cli.profile, output, command)).await,
        Command::Audit(command) => Box::pin(audit::run(&cli.profile, output, command)).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("holdfast").chain(line.split_whitespace()))
    }

    const DOCUMENTED: &[&str] = &[
        "init --demo cell",
        "init --demo cell --base-port 7100 --store sled",
        "init key log.key",
        "init sign --officer alice --key id genesis.json",
        "init certify --ca ca --csr node-1/tls.csr --identity node/node-1 --out node-1/tls.pem",
        "demo --keep --dir target/demo",
        "status --json",
        "wallet create hot-1 --officer alice --key officers/alice --yes",
        "wallet migrate hot-1 --to dkls23 --giver node-1 --giver node-3 --officer alice --key officers/alice --yes",
        "wallet migrate hot-1 --fresh-chain-code --officer alice --key officers/alice",
        "wallet import old-1 --public public.json --giver node-1=3 --giver node-2=1 --officer alice --key officers/alice",
        "wallet show hot-1 --profile elsewhere/holdfast.toml",
        "wallet list",
        "ceremony list",
        "ceremony show c-00112233445566778899aabbccddeeff",
        "ceremony approve c-00112233445566778899aabbccddeeff --officer bob --wait",
        "ceremony approve c-00112233445566778899aabbccddeeff --write-statement s.txt",
        "ceremony approve c-00112233445566778899aabbccddeeff --signature s.txt.sig",
        "ceremony watch c-00112233445566778899aabbccddeeff",
        "whitelist add 0x8ba1f109551bD432803012645Ac136ddd64DBA72 --asset USDT --expires-in 30d --officer alice",
        "whitelist revoke e-1 --node node-1 --node node-2 --officer alice",
        "whitelist revoke e-1 --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72 --chain-id 1 --officer alice",
        "whitelist list",
        "whitelist list --expiring-within 14",
        "whitelist list --requested --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72",
        "whitelist request 0x8ba1f109551bd432803012645ac136ddd64dba72 --customer c-1 --expires-in 30d",
        "whitelist take-back e-1",
        "fact identity --subject e-1 --method passkey --score 90 --session s-1",
        "withdraw show --idempotency-key k-1",
        "withdraw watch --from 7",
        "withdraw bind w-00112233445566778899aabbccddeeff --nonce 1 --max-fee-gwei 30 --wait",
        "withdraw cancel w-00112233445566778899aabbccddeeff",
        "withdraw approve w-00112233445566778899aabbccddeeff --officer alice --yes",
        "withdraw list --state HELD --all",
        "withdraw replace w-00112233445566778899aabbccddeeff --max-fee-gwei 40 --priority-fee-gwei 2 --wait",
        "withdraw cancel-on-chain w-00112233445566778899aabbccddeeff --wait --wait-for 30s",
        "withdraw report-outcome w-00112233445566778899aabbccddeeff confirmed --block 19000000",
        "withdraw give-up w-00112233445566778899aabbccddeeff --officer alice",
        "wallet deposit-address hot-1 7",
        "fact session --customer c-1 --new-device",
        "provider identity --method passkey --score 90 --session s-1",
        "officer pause hot-1 --node node-1 node-2 node-3 --officer alice",
        "officer resume hot-1 --officer alice",
        "officer revoke-client pipeline --officer alice --yes",
        "roster show",
        "roster add-officer dave --public-key dave.pub --role security-officer --role withdrawal-approver --officer alice",
        "roster remove-officer carol --officer alice",
        "roster add-client pipeline --public-key 00 --wallet hot-1 --expires-in 30d --officer alice",
        "roster remove-client pipeline --officer alice",
        "roster replace-node-keys node-2 --enrolment node-2.json --officer alice",
        "roster replace-coordinator-keys --log-key 00 --officer alice",
        "policy show",
        "policy propose policy.toml --officer alice --write-statement s.txt",
        "policy check policy.toml --genesis genesis.json --accept NO_COOLING_OFF --accept REPORT_AGE_LONG",
        "policy check policy.toml --log out --genesis-sha256 00",
        "policy test policy.toml cases.toml",
        "policy diff old.toml new.toml",
        "policy score policy.toml --generate 1 --customers 1000 --attacks 10 --shift preset=holidays --max-honest 1.5",
        "policy explain policy.toml --withdrawal-facts facts.toml",
        "policy explain policy.toml --withdrawal w-00112233445566778899aabbccddeeff --log out",
        "policy backtest policy.toml --log out --genesis-sha256 00 --size 17",
        "officer statements --node node-1",
        "officer holds --escalated --for alice",
        "officer binding 17 --against hostile-nodes --timeout 5s",
        "officer binding c-00112233445566778899aabbccddeeff --officer alice",
        "audit export out",
        "audit export log.tar --newest-only",
        "audit verify out --genesis-sha256 00 --against old.checkpoint --against other.tar --write-keys keys",
        "audit explain w-00112233445566778899aabbccddeeff --log out",
        "audit search --officer alice --kind statement --from 2026-11-01 --to 2026-12-01T00:00:00Z --csv",
        "audit search --effect refused --code POLICY_BOUND --log log.tar --limit 5",
        "audit sample --seed 2026-Q4 --count 25 --from 2026-10-01 --to 2027-01-01 --log out",
        "audit report --from 2026-11-01 --to 2026-12-01 --csv",
        "audit monitor --once --stalled-after 2m",
    ];

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn documented_commands_parse() {
        for line in DOCUMENTED {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        let submit = [
            "holdfast",
            "withdraw",
            "submit",
            "1250 USDT",
            "--to",
            "0x8ba1f109551bD432803012645Ac136ddd64DBA72",
            "--wallet",
            "hot-1",
            "--customer",
            "c-1",
            "--nonce",
            "0",
            "--max-fee-gwei",
            "30",
            "--wait",
        ];
        Cli::try_parse_from(submit).unwrap();
    }

    #[test]
    fn contradictory_and_malformed_arguments_are_refused() {
        for line in [
            "init",
            "init --base-port 7100",
            "withdraw submit 5 --to x --wallet hot-1 --customer c-1 --nonce 1",
            "withdraw submit 5 --to x --wallet hot-1 --customer c-1 --transaction 0x02 --nonce 1 --max-fee-gwei 1",
            "withdraw submit 5 --to x --wallet Hot-1 --customer c-1",
            "withdraw show",
            "ceremony show c-1",
            "ceremony approve c-00112233445566778899aabbccddeeff --key k --write-statement s",
            "ceremony approve c-00112233445566778899aabbccddeeff --statement s",
            "whitelist add 0x8ba1f109551bD432803012645Ac136ddd64DBA72",
            "whitelist add 0x8ba1f109551bD432803012645Ac136ddd64DBA72 --expires-in 30",
            "audit sample --count 5",
            "audit search --outcome perhaps",
            "audit search --from yesterday",
            "audit search --replay --log out",
            "withdraw report-outcome w-00112233445566778899aabbccddeeff mined",
            "withdraw give-up w-00112233445566778899aabbccddeeff --officer alice --client pipeline",
            "withdraw replace w-00112233445566778899aabbccddeeff --transaction 0x02 --max-fee-gwei 1",
            "wallet deposit-address hot-1 2147483648",
            "frobnicate",
            "officer binding w-00112233445566778899aabbccddeeff",
            "officer binding 17 --against nobody",
            "roster add-officer dave --public-key dave.pub",
            "roster replace-coordinator-keys",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
