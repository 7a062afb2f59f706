//! The account and the reset of its password.

use rand::RngExt as _;
use rand::distr::{Alphanumeric, SampleString as _};
use rand::rngs::SmallRng;

use super::envelope::Refusal;
use super::json::Object;
use super::options::Credentials;
use super::rng::rng;

/// The code in the reference. It is the first code sent by email, so that the reference's two steps work verbatim.
const REFERENCE_CODE: &str = "iZvqjoUPKJvhf2XcU1ES";

/// The channel of a reset code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Email,
    Phone,
}

/// The account, and the code that was "sent" last.
pub(crate) struct Account {
    credentials: Credentials,
    rng: SmallRng,
    sent: u64,
    code: Option<(Channel, String)>,
}

impl Account {
    pub(crate) fn new(seed: u64, credentials: Credentials) -> Self {
        Self { credentials, rng: rng(("codes", seed)), sent: 0, code: None }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) fn last_code(&self) -> Option<&str> {
        self.code.as_ref().map(|(_, code)| code.as_str())
    }

    pub(crate) fn set_password(&mut self, password: &str) {
        password.clone_into(&mut self.credentials.password);
    }

    pub(crate) fn verify_password(&self, email: &str, password: &str) -> bool {
        self.is_of(email) && self.credentials.password == password
    }

    fn is_of(&self, email: &str) -> bool {
        self.credentials.email.eq_ignore_ascii_case(email)
    }

    /// "Sends" a code: 20 letters and digits by email, six digits by phone.
    pub(crate) fn reset(&mut self, channel: Channel, email: &str) -> Result<(), Refusal> {
        if !self.is_of(email) {
            return Err(Refusal::Invalid("unknown account".to_owned()));
        }
        self.sent += 1;
        let code = match channel {
            Channel::Email if self.sent == 1 => REFERENCE_CODE.to_owned(),
            Channel::Email => Alphanumeric.sample_string(&mut self.rng, 20),
            Channel::Phone => format!("{:06}", self.rng.random_range(0..1_000_000)),
        };
        self.code = Some((channel, code));
        Ok(())
    }

    /// Changes the password if the code was sent last, through this channel. A code works once.
    pub(crate) fn verify(&mut self, channel: Channel, email: &str, code: &str, password: &str) -> Result<(), Refusal> {
        if !self.is_of(email) {
            return Err(Refusal::Invalid("unknown account".to_owned()));
        }
        if self.code.as_ref().is_none_or(|(sent_by, sent)| *sent_by != channel || sent != code) {
            return Err(Refusal::Invalid("unknown or used verification code".to_owned()));
        }
        self.code = None;
        self.set_password(password);
        Ok(())
    }

    /// Returns `user` of the answer to a login.
    pub(crate) fn user(&self) -> String {
        Object::new()
            .raw("id", 879_987)
            .text("firstName", "Ahmed")
            .text("lastName", "Mohammed")
            .text("email", &self.credentials.email)
            .raw("status", 1)
            .text("createdAt", "2023-10-18T11:28:23.027Z")
            .text("updatedAt", "2023-10-18T11:28:23.027Z")
            .close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_code_works_once() {
        let mut account = Account::new(1, Credentials::default());
        let email = Credentials::default().email;
        account.reset(Channel::Email, &email).unwrap();
        assert!(account.verify(Channel::Email, &email, "wrong", "new").is_err());
        account.verify(Channel::Email, &email, REFERENCE_CODE, "new").unwrap();
        assert!(account.verify_password(&email, "new"));
        assert!(account.verify(Channel::Email, &email, REFERENCE_CODE, "newer").is_err());
    }

    #[test]
    fn phone_code_has_six_digits() {
        let mut account = Account::new(1, Credentials::default());
        account.reset(Channel::Phone, &Credentials::default().email).unwrap();
        assert_eq!(account.last_code().map(str::len), Some(6));
        assert!(account.reset(Channel::Email, "other@wesal.example").is_err());
    }
}
