//! What is read differently, and why.

use crate::peers::Peer::{self, Golang, OpenIdClient};

/// Replies that a library reads in another way.
pub(crate) struct Difference {
    pub(crate) peer: Peer,
    #[allow(dead_code, reason = "a reason is for people")]
    why: &'static str,
    pub(crate) replies: &'static [&'static str],
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    // Stricter here.
    Difference {
        peer: Golang,
        why: "which of two members of one name counts, programs disagree about, and names of members are case-sensitive",
        replies: &["access token twice", "access token in other case"],
    },
    Difference {
        peer: OpenIdClient,
        why: "which of two members of one name counts, programs disagree about",
        replies: &["access token twice"],
    },
    Difference {
        peer: OpenIdClient,
        why: "a reply that names an error is a refusal, whatever else it holds",
        replies: &["error beside a token"],
    },
    Difference {
        peer: Golang,
        why: "what a server calls a page may be anybody's upload",
        replies: &["JSON, called HTML"],
    },
    Difference {
        peer: OpenIdClient,
        why: "what a server calls a page may be anybody's upload",
        replies: &["JSON, called HTML"],
    },
    Difference {
        peer: Golang,
        why: "a lifetime of zero is over; providers for which it means that a token never expires have that in their specification",
        replies: &["lifetime zero"],
    },
    // More tolerant here, because providers do it.
    Difference {
        peer: OpenIdClient,
        why: "a type that is missing is that of the request for an API, where Bearer is the usual one",
        replies: &["no type", "empty type", "type null", "type a number", "another type"],
    },
    Difference { peer: Golang, why: "as above", replies: &["type a number"] },
    Difference {
        peer: OpenIdClient,
        why: "a lifetime that cannot be read is unknown, and one below zero is over",
        replies: &[
            "lifetime below zero",
            "lifetime null",
            "lifetime a word",
            "lifetime empty",
            "lifetime true",
        ],
    },
    Difference {
        peer: Golang,
        why: "as above, and a fraction is a number",
        replies: &["lifetime with a fraction", "lifetime a word", "lifetime empty", "lifetime true"],
    },
    Difference {
        peer: Golang,
        why: "a hundred years are more than its 31 bits of seconds",
        replies: &["lifetime of a hundred years"],
    },
    Difference {
        peer: OpenIdClient,
        why: "a token that can be read is kept, whatever its companions look like",
        replies: &[
            "empty refresh token",
            "refresh token null",
            "refresh token a number",
            "scope as a list",
            "scope a number",
        ],
    },
    Difference { peer: Golang, why: "as above", replies: &["refresh token a number"] },
    Difference { peer: Golang, why: "an error of zero is none", replies: &["error zero beside a token"] },
    Difference {
        peer: Golang,
        why: "the content decides what a reply is, because servers name all sorts of types",
        replies: &[
            "a byte order mark",
            "form, called JSON",
            "form without a type",
            "JSON, called text",
            "JSON, called a form",
            "refused, called text",
            "refused with a code that is not text",
        ],
    },
    Difference {
        peer: OpenIdClient,
        why: "forms are read, as of servers that are older than RFC 6749",
        replies: &[
            "form",
            "form with a charset",
            "form, called text",
            "form, called JSON",
            "form without a type",
            "form with a lifetime that is not a number",
        ],
    },
    Difference {
        peer: OpenIdClient,
        why: "every status of success is one",
        replies: &["created", "accepted"],
    },
    Difference {
        peer: OpenIdClient,
        why: "both refuse, and here the code is told whatever the status and the form of the reply",
        replies: &[
            "error with status 200",
            "form with an error",
            "refused as a form",
            "refused, called text",
            "refused with a code that is not text",
            "the server's fault",
        ],
    },
];
