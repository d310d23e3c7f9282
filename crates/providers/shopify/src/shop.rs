//! The names of shops.

use oauth_core::parameter;

/// The name of a shop, in lower case, of `my-shop` or `my-shop.myshopify.com`; `None` if it is neither.
pub(crate) fn shop_name(text: &str) -> Option<String> {
    let shop = text.to_ascii_lowercase();
    let shop = shop.strip_suffix(".myshopify.com").unwrap_or(&shop);
    // A dot would make it another host's label; see also Shopify's own rule for shop names.
    let shop = parameter::host("shop", shop).ok().filter(|shop| !shop.contains('.'))?;
    Some(shop.to_owned())
}
