//! Owns when incidents happen: evenly over the evaluation, early enough to end within it.

use crate::{
    calendar::{Rhythm, days, hours},
    draw::{Domain, Draws, Seed},
    event::TimeMs,
    label::{AttackKind, Incident, Skill},
    number::{real, whole},
    parameters::{Parameters, SkillMix},
};

/// One moment at which an incident acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub at: TimeMs,
    pub incident: Incident,
    /// Counts from 0.
    pub number: u16,
}

/// All steps of all incidents, by time.
pub(crate) fn agenda(parameters: &Parameters, seed: Seed) -> Vec<Step> {
    let mut all = Vec::new();
    let mut number = 0_u32;
    for kind in AttackKind::ALL {
        for _ in 0..parameters.attacks_per_kind {
            let mut draws = seed.draws(Domain::Campaign, u64::from(number), 0);
            let skill = SkillMix::skill(draws.weighted(&parameters.effective_skills().weights()));
            steps(Incident { number, kind, skill }, parameters, &mut draws, &mut all);
            number = number.saturating_add(1);
        }
    }
    all.sort_unstable();
    all
}

fn steps(incident: Incident, parameters: &Parameters, draws: &mut Draws, all: &mut Vec<Step>) {
    let begin = parameters.evaluation_start();
    let length = real(parameters.end().since(begin));
    let longest = real(days(longest_days(incident))).min(length * 0.8);
    let start = begin.plus(whole((length - longest) * draws.uniform()));
    let times = match incident.kind {
        AttackKind::StolenClientKey => requests(incident.skill, start, longest, draws),
        AttackKind::InsiderSlowDrip => drips(incident.skill, start, longest, draws),
        AttackKind::TakeoverAfterReset
        | AttackKind::PoisonedAddress
        | AttackKind::MuleFanIn
        | AttackKind::DrainedDormant
        | AttackKind::Structuring
        | AttackKind::SanctionedOneHop
        | AttackKind::SimSwapApiKey
        | AttackKind::AddressSwapMalware
        | AttackKind::DeepfakeSupportReset
        | AttackKind::SessionHijack => vec![start],
    };
    for (number, at) in (0_u16..).zip(times) {
        all.push(Step { at, incident, number });
    }
}

/// Days that such an incident may take at most, for most of them.
fn longest_days(incident: Incident) -> f64 {
    let (careless, average, careful) = match incident.kind {
        AttackKind::PoisonedAddress | AttackKind::AddressSwapMalware => (3.0, 3.0, 3.0),
        AttackKind::MuleFanIn => (3.0, 5.0, 10.0),
        AttackKind::DrainedDormant => (3.0, 4.0, 22.0),
        AttackKind::Structuring => (4.0, 6.0, 12.0),
        AttackKind::StolenClientKey => (0.2, 1.0, 6.0),
        AttackKind::InsiderSlowDrip => (12.0, 18.0, 24.0),
        AttackKind::TakeoverAfterReset
        | AttackKind::SanctionedOneHop
        | AttackKind::SimSwapApiKey
        | AttackKind::DeepfakeSupportReset
        | AttackKind::SessionHijack => (3.0, 4.0, 15.0),
    };
    match incident.skill {
        Skill::Careless => careless,
        Skill::Average => average,
        Skill::Careful => careful,
    }
}

/// A stolen key: as much as possible before it is noticed, or little enough that it is not.
fn requests(skill: Skill, start: TimeMs, longest: f64, draws: &mut Draws) -> Vec<TimeMs> {
    let number = match skill {
        Skill::Careless => draws.whole_between(15, 40),
        Skill::Average => draws.whole_between(8, 20),
        Skill::Careful => draws.whole_between(4, 10),
    };
    let span = longest * draws.between(0.3, 1.0);
    (0..number).map(|_| start.plus(whole(span * draws.uniform()))).collect()
}

/// In the insider's working hours, some days apart.
fn drips(skill: Skill, start: TimeMs, longest: f64, draws: &mut Draws) -> Vec<TimeMs> {
    let number = match skill {
        Skill::Careless => draws.whole_between(10, 25),
        Skill::Average => draws.whole_between(8, 18),
        Skill::Careful => draws.whole_between(5, 12),
    };
    let offset_minutes = draws.one_of(&[0, 60, 180, 330, 480]).copied().unwrap_or(0);
    let rhythm = Rhythm { offset_minutes, centre: 13.0, spread: Some(2.0), weekend: 0.2 };
    let span = (longest - real(hours(24.0))).max(0.0);
    let times = (0..number).map(|_| {
        let day = start.plus(whole(span * draws.uniform()));
        rhythm.around(day, 0.0, draws)
    });
    times.collect()
}
