//! Page markers: sealed to store, account, Region, operation and filter, so that a marker can only be
//! used to continue the list that it was issued for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward_crypto::aead::{Aad, Purpose};

use crate::{context::Context, fault::Internal, sealed_text};

const VERSION: u8 = 2;

/// Why a marker cannot be created or read.
#[derive(Debug)]
pub enum MarkerError {
    /// This operation issued no such marker for this filter, account and Region.
    Invalid,
    /// The failure is on our side.
    Internal(Internal),
}

impl Context<'_> {
    /// The marker that continues after `position`.
    ///
    /// # Errors
    /// Never; the key's length is checked when the server starts.
    pub fn seal_marker(
        &self,
        operation: &str,
        filter: &str,
        position: &str,
    ) -> Result<String, MarkerError> {
        let aad = self.marker_aad(operation, filter);
        let bytes = sealed_text::seal(self.marker_key()?, VERSION, &aad, position);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position of a marker.
    ///
    /// # Errors
    /// [`MarkerError::Invalid`] unless this operation gave it for this filter, account and Region.
    pub fn open_marker(
        &self,
        operation: &str,
        filter: &str,
        marker: &str,
    ) -> Result<String, MarkerError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(marker)
            .map_err(|_| MarkerError::Invalid)?;
        let aad = self.marker_aad(operation, filter);
        sealed_text::open(self.marker_key()?, VERSION, &aad, &bytes).ok_or(MarkerError::Invalid)
    }

    fn marker_key(&self) -> Result<&[u8; 32], MarkerError> {
        let key = self.shared.marker_key.expose_array();
        key.ok_or_else(|| MarkerError::Internal(Internal::new("the marker key has not 32 bytes")))
    }

    fn marker_aad(&self, operation: &str, filter: &str) -> Aad {
        Aad::new(Purpose::PageMarker, VERSION)
            .part(self.directory().store_id().as_bytes())
            .part(self.partition().as_str().as_bytes())
            .part(self.account().as_str().as_bytes())
            .part(self.region.as_str().as_bytes())
            .part(operation.as_bytes())
            .part(filter.as_bytes())
    }
}
