//! What a command has come to, for scripts.

use std::process::ExitCode;

/// What a command has come to, by its exit code. Declared from the least to the worst: where orders come
/// to different ends, the worst of them counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    #[default]
    Well = 0,
    DocumentRefused = 1,
    WrongCommandLine = 2,
    NotPossible = 3,
    NotFound = 4,
    NoAnswer = 5,
    NotCompleted = 10,
    NeedsAPerson = 11,
    UnderWay = 12,
}

impl Exit {
    pub(crate) const ALL: [Self; 9] = [
        Self::Well,
        Self::DocumentRefused,
        Self::WrongCommandLine,
        Self::NotPossible,
        Self::NotFound,
        Self::NoAnswer,
        Self::NotCompleted,
        Self::NeedsAPerson,
        Self::UnderWay,
    ];

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// For the help and the README, which a test holds to it.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Well => {
                "all is well; under `watch`, every order is completed; under `bulk --show`, \
                 every one got on, or nobody has applied it yet"
            }
            Self::DocumentRefused => "`submit`: a document was refused",
            Self::WrongCommandLine => {
                "the command line is wrong, or a file that it names cannot be read"
            }
            Self::NotPossible => {
                "refused: not possible for this order now, or for none of a bulk's"
            }
            Self::NotFound => "there is no such order, group or bulk",
            Self::NoAnswer => {
                "something that is needed does not answer, or not to these credentials"
            }
            Self::NotCompleted => {
                "`watch`: an order has failed, or was rejected or cancelled; `bulk --show`: one \
                 failed again, was refused, or was left alone when the bulk was stopped"
            }
            Self::NeedsAPerson => {
                "`watch`: an order needs a person: it waits for a review, or needs attention; \
                 `bulk --show`: it is paused until somebody resumes it"
            }
            Self::UnderWay => {
                "`watch`: the time is up, and orders are still under way; `bulk --show`: so are \
                 they"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What the help ends with.
pub(crate) fn help() -> String {
    let lines = Exit::ALL.map(|exit| format!("{:>4}  {}\n", exit.code(), exit.meaning()));
    format!(
        "Exit codes; of several orders the highest counts:\n{}",
        lines.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_highest_counts() {
        assert!(Exit::ALL.is_sorted());
        assert!(Exit::ALL.is_sorted_by_key(|exit| exit.code()));
    }

    #[test]
    fn the_readme_the_runbook_and_the_help_have_every_code() {
        let rows = Exit::ALL.map(|exit| format!("| {} | {} |\n", exit.code(), exit.meaning()));
        let table = format!("| exit code | means |\n|---|---|\n{}\n", rows.concat());
        for (name, text) in [
            ("README.md", include_str!("../README.md")),
            ("docs/RUNBOOK.md", include_str!("../../../docs/RUNBOOK.md")),
        ] {
            assert!(text.contains(&table), "{name} has to have:\n{table}");
        }
        let help = help();
        for exit in Exit::ALL {
            let line = format!(" {}  {}\n", exit.code(), exit.meaning());
            assert!(help.contains(&line), "{help}");
        }
    }
}
