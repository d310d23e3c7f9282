//! The signals that end the program.

/// A signal that ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitSignal {
    /// Ctrl-C.
    Interrupt,
    /// The terminal was closed.
    #[cfg_attr(not(unix), expect(dead_code, reason = "Unix has it"))]
    HangUp,
    /// Somebody ended the program, such as a supervisor.
    #[cfg_attr(not(unix), expect(dead_code, reason = "Unix has it"))]
    Terminate,
}

impl ExitSignal {
    /// The exit code by which shells know it.
    pub(crate) fn exit_code(self) -> u8 {
        128 + match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}
