//! Authentication on a device of the user's own, which the client starts without a browser (OpenID Connect Client-Initiated Backchannel
//! Authentication, CIBA).

mod attempt;
mod client;
mod endpoint;
mod finish;
mod request;

pub use self::{
    attempt::{CibaAttempt, CibaDelivery},
    client::{Ciba, CibaLogin, START_CIBA},
    endpoint::{ACCEPT_PUSH, CibaAnswer, CibaEndpoint, CibaNotification, EXPECT_NOTIFICATION, PushedTokens},
    finish::{CibaStates, FINISH_CIBA},
    request::CibaRequest,
};
