//! Sign-in by a code that the user types in on another device, for a terminal.

use oauth_core::{DeviceState, Login, Provider};
use tokio::time::timeout;

use crate::{error::NativeSignInError, options::SignInOptions, prompt::Notice};

/// Shows the code and waits until the user is done.
pub(crate) async fn sign_in<P: Provider + ?Sized>(
    provider: &P,
    options: &SignInOptions,
) -> Result<Login, NativeSignInError> {
    let mut device = provider.start_device_login(options.login.clone()).await?;
    let address = device.verification_uri_complete.as_deref().unwrap_or(&device.verification_uri);
    options.prompt.tell(&Notice::DeviceCode {
        login: &device,
        qr: options.prompt.shows_qr().then(|| qr_code(address)).flatten(),
    });
    let waiting = async {
        loop {
            match provider.poll_device_login(&mut device).await? {
                DeviceState::Done(login) => return Ok(*login),
                DeviceState::SlowedDown(_) | DeviceState::Failed(_) => {
                    options.prompt.tell(&Notice::StillWaiting { interval: device.interval() });
                }
                _ => {}
            }
        }
    };
    match options.time_limit {
        None => waiting.await,
        Some(limit) => match timeout(limit, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => Err(NativeSignInError::TimedOut { after: limit }),
        },
    }
}

/// An address as a QR code of half blocks, light on dark with its quiet zone, for a terminal; `None` where the feature `qr` is off or the
/// address is too long for 80 columns.
#[must_use]
pub fn qr_code(address: &str) -> Option<String> {
    #[cfg(feature = "qr")]
    {
        use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

        // Low correction: a screen has no dirt on it, and the code stays small.
        let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
        let image = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        (image.lines().map(|line| line.chars().count()).max()? <= 80).then_some(image)
    }
    #[cfg(not(feature = "qr"))]
    {
        let _ = address;
        None
    }
}
