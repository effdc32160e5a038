//! A person at a terminal: the real `holdfast` program with the cluster's profile.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::programs::program;

/// A terminal on one machine: the directory with its profile and what the tool has learnt.
#[derive(Clone, Debug)]
pub struct Terminal {
    directory: PathBuf,
}

impl Cluster {
    /// A terminal in the cluster's own directory.
    pub fn terminal(&self) -> Terminal {
        Terminal { directory: self.path("") }
    }

    /// A terminal on a machine that has the profile and its files, and has learnt nothing yet.
    pub fn new_terminal(&self, name: &str) -> Terminal {
        let directory = self.path(name);
        std::fs::create_dir(&directory).unwrap();
        let profile = std::fs::read_to_string(self.path("holdfast.toml")).unwrap();
        std::fs::write(directory.join("holdfast.toml"), profile).unwrap();
        for entry in ["ca.pem", "genesis.entry.json", "officers", "client", "provider", "auditor", "operator"]
        {
            std::os::unix::fs::symlink(self.path(entry), directory.join(entry)).unwrap();
        }
        Terminal { directory }
    }
}

impl Terminal {
    /// Runs a command; its exit code and its one JSON document. `~` in an argument stands for a space.
    ///
    /// # Panics
    /// When what it prints is no JSON.
    pub fn run(&self, line: &str) -> (i32, Value) {
        let output = self.output(line);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = serde_json::from_str(&printed).unwrap_or_else(|error| {
            panic!("{line}: {error}: {printed}{}", String::from_utf8_lossy(&output.stderr))
        });
        (output.status.code().unwrap(), json)
    }

    /// The answer of a command that has to succeed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn ok(&self, line: &str) -> Value {
        let (code, json) = self.run(line);
        assert_eq!(code, 0, "{line}: {json:#}");
        json
    }

    /// What a command that has to succeed tells people, beside its answer.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn told(&self, line: &str) -> String {
        let output = self.output(line);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {told}");
        told
    }

    /// Signs a statement file with `ssh-keygen`, as the command said.
    pub fn ssh_keygen(&self, officer: &str, file: &str) {
        let signed = Command::new("ssh-keygen")
            .args(["-Y", "sign", "-n", "holdfast-statement", "-f", &format!("officers/{officer}"), file])
            .current_dir(&self.directory)
            .output()
            .unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    }

    /// Approves a ceremony as these officers, each with the real command.
    ///
    /// # Panics
    /// When one of them is refused.
    #[track_caller]
    pub fn approve(&self, ceremony: &str, officers: &[&str]) {
        for officer in officers {
            self.ok(&format!("ceremony approve {ceremony} --officer {officer} --yes"));
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn output(&self, line: &str) -> Output {
        let arguments = line.split(' ').map(|word| word.replace('~', " "));
        Command::new(program("holdfast").unwrap_or_else(|error| panic!("{error}")))
            .args(["--json", "--profile"])
            .arg(self.directory.join("holdfast.toml"))
            .args(arguments)
            .current_dir(&self.directory)
            .output()
            .unwrap()
    }
}
