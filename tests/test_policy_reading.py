"""A policy's text: its sentences and sections, its layout, the stretches of time in it, and what it plainly says that is not so."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import SAMPLES
from shared.annex import ANNEX, NAMES
from shared.company import company_from
from shared.policy_reading.facts import Facts
from shared.policy_reading.language import foreign
from shared.policy_reading.layout import as_markdown
from shared.policy_reading.periods import PERIOD, days_of, period
from shared.policy_reading.sentences import headings, read
from shared.promises.findings import findings
from shared.promises.policy import canonical_text
from shared.website_data import website_data_from

strange = st.text("aB1. #-*_•|[]()\n§:;=~`<>\t", max_size=200)


def texts(policy: str) -> list[str]:
    return [one.text for one in read(policy)]


@pytest.mark.parametrize(
    ("policy", "sentences"),
    [
        ("One thing. Another thing! A third?", ["One thing.", "Another thing!", "A third?"]),
        ("We are Prints Ltd. of Leith, e.g. by post.", ["We are Prints Ltd. of Leith, e.g. by post."]),
        ("See Art. 13 and No. 4. Then go on.", ["See Art. 13 and No. 4.", "Then go on."]),
        ("wrapped over\ntwo lines.\n\nNext.", ["wrapped over two lines.", "Next."]),
        ("**3.1** Some *marked* [words](https://a.example) `here`.", ["3.1 Some marked words here."]),
        ("Kept for:\n- one\n- two\n  lines", ["Kept for:", "one", "two lines"]),
        ("He said “Stop.” Then he went.", ["He said “Stop.”", "Then he went."]),
        ("snake_case and 2 * 3 * 4 stay.", ["snake_case and 2 * 3 * 4 stay."]),
        ("a\n---\nb", ["b"]),
        ("", []),
    ],
)
def test_a_text_is_read_as_its_sentences(policy: str, sentences: list[str]) -> None:
    assert texts(policy) == sentences


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ("# One #\n\ntext\n\n## 1. Two\n\ntext", ["One", "1. Two"]),
        ("One\n===\n\ntext", ["One"]),
        ("Policy\n\n1. One\n\ntext\n\n1.2. Two\n\ntext", ["1. One", "1.2. Two"]),
        ("1. We keep what you send us for as long as you have an account, and delete it.\n", []),
        ("1. First thing\n2. Second thing\n", []),
        ("\n\n2030 was a year.\n\n", []),
    ],
)
def test_headings_are_marked_underlined_or_numbered_and_alone(policy: str, found: list[str]) -> None:
    assert headings(policy) == found


def test_an_item_knows_its_section_and_what_leads_to_it() -> None:
    item = read("## 9. Who\n\nWe share data with:\n\n- Stripe\n")[-1]
    assert (item.text, item.section, item.lead, item.is_item) == ("Stripe", "9. Who", "We share data with:", True)


@given(strange)
def test_every_letter_of_a_text_is_read_or_a_heading(policy: str) -> None:
    letters = set(re.findall(r"[aB]", policy))
    seen = set(re.findall(r"[aB]", " ".join([*texts(policy), *headings(policy)])))
    # a link's address is not words
    assert seen == letters or "](" in policy


@given(strange)
def test_laying_out_keeps_every_word_and_is_settled_at_once(policy: str) -> None:
    laid = as_markdown(policy)
    assert re.findall(r"[aB]+", laid) == re.findall(r"[aB]+", policy)


def test_markdown_is_shown_as_it_is() -> None:
    policy = "# Title\n\n1. Not a heading\n\n   - indented\n"
    assert as_markdown(policy) == policy


def test_plain_text_gets_the_headings_and_lists_it_means() -> None:
    plain = "Our policy\n\n1. One\n\n1.1. Below\n\n      far in\n\n  • a\n  • b\n"
    assert as_markdown(plain) == "# Our policy\n\n## 1. One\n\n### 1.1. Below\n\nfar in\n\n- a\n- b\n"


def test_a_first_line_that_is_a_sentence_is_no_title() -> None:
    assert as_markdown("We keep little.\n\n1. One\n").startswith("We keep little.\n")


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ("14 days", 14), ("fourteen (14) days", 14), ("two weeks", 14), ("48 hours", 2), ("a week", 7), ("ten working days", 10),
        ("one calendar month", 30.4375), ("six years", 2191.5), ("14-day", 14), ("twenty-four hours", 1),
        ("twenty six months", 791.375), ("forty-eight months", 1461), ("26 (twenty-six) months", 791.375), ("half a year", 182.625),
    ],
)  # fmt: skip
def test_a_stretch_of_time_is_read_in_figures_and_in_words(words: str, days: float) -> None:
    found = re.search(PERIOD, words)
    assert found
    assert period(found).days == pytest.approx(days)


@pytest.mark.parametrize("duration", ["P24M", "P2Y", "P730D", "P104W"])
def test_the_same_time_said_in_another_way_is_the_same(duration: str) -> None:
    found = re.search(PERIOD, "two years")
    assert found
    assert period(found).is_about(days_of(duration))
    assert not period(found).is_about(days_of("P14M"))


@pytest.mark.parametrize(
    ("words", "duration", "same"),
    [("27 months", "P26M", False), ("26 months", "P26M", True), ("25 months", "P2Y", False), ("two years", "P24M", True),
     ("30 days", "P1M", True), ("31 days", "P1M", True), ("90 days", "P3M", True), ("6 months", "P180D", True), ("13 days", "P14D", False)],
)  # fmt: skip
def test_a_month_more_is_another_time(words: str, duration: str, same: bool) -> None:
    found = re.search(PERIOD, words)
    assert found
    assert period(found).is_about(days_of(duration)) is same


FOREIGN = {
    "German": "Wir löschen Ihre Daten. Nach dreißig Tagen ist nichts mehr da.",
    "German, few words": "Wir löschen Ihre Daten.",
    "German with names": "Für Zahlungen setzen wir Stripe und Google Analytics ein.",
    "Dutch": "Wij bewaren uw gegevens niet langer dan een maand, of zolang de wet dat vraagt.",
    "French": "Nous effaçons vos données dans un délai de trente jours.",
    "Spanish": "Conservamos sus datos durante un mes y los borramos después.",
    "Portuguese": "Apagamos os seus dados em trinta dias.",
    "Italian": "Cancelliamo i suoi dati entro trenta giorni dalla richiesta.",
    "Swedish": "Vi raderar dina uppgifter och skickar inget till någon annan.",
    "Danish": "Vi sletter dine oplysninger og deler ikke noget med andre.",
    "Polish": "Usuwamy dane w ciągu trzydziestu dni i nie przekazujemy ich dalej.",
    "Finnish": "Poistamme tietosi kolmenkymmenen päivän kuluessa pyynnöstä ja ilmoitamme siitä.",
    "Latvian": "Dzēsīsim jūsu datus trīsdesmit dienu laikā pēc pieprasījuma saņemšanas brīža",
    "Russian": "Удаляем данные через месяц.",
    "Greek": "Διαγράφουμε τα δεδομένα.",
    "Chinese": "我们会删除您的数据。",
}


@pytest.mark.parametrize("policy", FOREIGN.values(), ids=FOREIGN)
def test_another_language_than_english_is_known_by_its_small_words(policy: str) -> None:
    assert len(foreign(read(policy))) == len(read(policy))


@pytest.mark.parametrize(
    "policy",
    [
        "We keep little.",
        "Payments: Stripe, Leith",
        "- Google Analytics\n- Google Tag Manager\n- Facebook",
        "Name, address, telephone number, orders, uploads",
        "We erase data per month, on request; non-personal data stay.",
        "Our office is at 3 Rue de la Paix, Paris. You may write to us there, and we answer you within a month.",
        "Our mail is called “Das ist neu”. You can stop it, and you can stop every other mail that we send to you.",
        "",
    ],
)
def test_english_is_english_though_a_name_or_a_quotation_in_it_is_not(policy: str) -> None:
    assert foreign(read(policy)) == frozenset()


def test_of_a_text_in_two_languages_one_is_foreign() -> None:
    policy = "We erase your data within a month.\n\nWir löschen Ihre Daten binnen eines Monats.\n"
    assert foreign(read(policy)) == {1}


# --- what a policy plainly says that the configuration contradicts -------------------------------------------------------

SAID_AND_NOT_SO = {
    "no_sharing": """
We do not share any data with Facebook or Instagram.
We do not use Facebook.
Facebook receives nothing from us.
We never send data to Facebook.
We do not share your personal data with Google.
Your data is never shared with Facebook.
Your information is not passed on to Meta.
No data is sent to Google Analytics.
Nothing is sent to Facebook.
None of your data goes to Facebook.
None of your personal information is shared with Google or Meta.
Neither Facebook nor Instagram receives your data.
Neither Google nor Meta gets any data from us.
We use neither Facebook nor Instagram.
We use neither Google Analytics nor any other tracking tool.
Facebook does not receive any data from us.
Facebook never gets your data.
Instagram gets no information about you.
Google has no access to your data.
We don't use Google Analytics.
We do not use Google Analytics on our website.
Our website does not use Google Analytics.
This site doesn't use the Facebook Pixel.
Google Analytics is not used.
Facebook is not used on our site.
We no longer use Facebook.
We have never used Facebook or Instagram.
We have stopped using Google Analytics.
We do not work with Facebook.
We do not work with Google, Facebook or TikTok.
We do not transfer personal data to Stripe.
We do not pass your details on to SendGrid.
We do not give Twilio any data.
We share nothing with Facebook.
We share no data with Facebook, Instagram or Google.
We share your data with neither Facebook nor Google.
Data is shared neither with Facebook nor with Google.
No personal data is ever transferred to Meta Platforms.
No personal data is disclosed to Google LLC.
We will never share your information with Facebook.
We don't and won't share your data with Facebook.
We do not sell or share your data with Facebook.
There is no Facebook pixel on our pages.
Our pages contain no Facebook pixel.
No Facebook pixel is used on this site.
We do not advertise on Facebook or Instagram.
Nor do we share any data with Google.
Facebook gets nothing.
Facebook and Instagram receive no data whatsoever.
Facebook, Instagram and Google receive nothing from us.
We do not share your data with companies like Facebook or Google.
We do not disclose your information to third parties such as Facebook.
We share data with Stripe, but not with Facebook.
Unlike many other shops, we do not use Google Analytics.
We do not rely on Stripe.
Sample Rooms does not use Facebook.
Please note that we do not use Google Tag Manager.
We do not use Google Analytics, Facebook Pixel or similar tools.
Google Tag Manager is not loaded on our pages.
None of your data is shared with third parties.
Nothing is shared with third parties.
Third parties never receive your data.
No third party receives any data from us.
We share none of your data with anyone.
We pass nothing on to third parties.
At no point do we share your data with Facebook.
Facebook will not be given any of your personal data.
We don't track you with Google Analytics.
Our website is free of Google Analytics and Facebook Pixel.
Your personal details are never handed over to Facebook, Google or any other advertising network.
Absolutely no information about our visitors is transmitted to Meta.
We do not make use of Instagram.
Neither Google nor Facebook has access to your data.
Google does not collect any information about you on our website.
You will not find a Facebook pixel on our website.
We will not disclose your personal information to Stripe.
Nothing we know about you is passed to Facebook.
We refuse to work with Facebook.
Payments are not processed by Stripe.
We do not process payments through Stripe.
We do not send our e-mails through SendGrid.
Our e-mails are not sent via Twilio.
We have removed Google Analytics from our website.
Meta and its companies receive no personal data from us.
We share your information with no one, not even Facebook.
No third parties have access to your personal data.
None of the data we collect is passed on to others.
Neither we nor our partners share your data with Facebook.
Under no circumstances do we transfer your data to Google.
We keep all your data to ourselves and share it with nobody.
Not one byte of your data is sent to Facebook.
It is our policy not to share your data with Facebook.
Facebook is never given access to your data.
We have decided not to use Facebook or Instagram.
Your personal data will not be transferred to Google LLC or Meta Platforms, Inc.
No customer data is forwarded to Facebook.
Google gets none of your data.
We don't feed your data into Facebook.
This website does not load any scripts from Google.
We do not use tools from Google or Facebook.
We do not embed Instagram.
Stripe never receives any of your information.
SendGrid does not get your data.
Twilio has no access to your personal information.
We never pass your data to Google Analytics or anyone else.
Rest assured that Facebook does not receive any information about you from us.
For your privacy, we do not use Google Tag Manager.
Your data does not go to Google.
We do not and never will share any personal information with Meta.
There are no Facebook pixels on this website.
We do not trade, rent or share your information with Google.
No information about you reaches Facebook or Instagram.
Instagram is not one of our partners.
We do not forward personal data to big tech companies like Google and Meta.
Nothing about you is sent to Meta.
We haven't installed Google Analytics.
Facebook isn't used here.
Neither Facebook nor Google is used on our website.
Our site does not contain trackers from Facebook.
We do not cooperate with Facebook in any way.
Data we collect is not shared with Facebook.
Outsiders never see your data.
Your information is not given to anybody.
We do not use any third-party services.
We do not provide Google with any data.
Our company never works with Facebook.
Your data has never been shared with Facebook.
No user data is exported to Google or Facebook.
Facebook has never received any data from us.
Meta gets nothing from us, ever.
We do not utilise Google Analytics or Facebook Pixel on this website.
We neither use Google Analytics nor Facebook.
Google Analytics is neither used nor loaded on our site.
We do not share your information with Twilio SendGrid.
No personal data is given to Stripe.
We share your data with nobody, least of all with Facebook.
Your data stays with us; Facebook gets nothing.
We have never sold or shared your data to Facebook.
Sample Rooms Ltd does not share any data with Instagram.
None of our users' data is sent to Google.
We do not disclose any of your personal details to social networks such as Facebook or Instagram.
Personal data is not transmitted to Google Analytics.
Please be aware that we do not, under any circumstances, share your personal data with Facebook.
We respect your privacy and do not use Google Analytics.
We take your privacy seriously, which is why we do not use Facebook.
As a small family business, we do not share any data with Google.
Our website uses no third-party trackers, and Facebook receives nothing from us.
We do not use Google Analytics or any other analytics service on this website.
We neither sell nor share your personal information with Facebook.
We will never pass on your personal information to third parties such as Google.
We do not disclose personal data to SendGrid.
""",
    "anonymous": """
Our analytics is anonymous.
Our analytics are completely anonymous.
Our web analytics is anonymised.
All our statistics are anonymous.
We use anonymous analytics.
We count visits anonymously.
Visits are counted anonymously.
Your visit is anonymously recorded.
Your use of the site is measured anonymously.
Our tracking is fully anonymised.
The counting of visitors is anonymous.
We analyse how visitors use our pages, and this happens anonymously.
Google Analytics works anonymously.
We only collect anonymised usage statistics.
Page views are recorded anonymously.
Analytics is carried out anonymously.
The statistics we gather about visits are entirely anonymous.
Every visit is counted anonymously.
Usage is analysed in a fully anonymous way.
Our measurement of page views is anonymous.
The data that Google Analytics gathers is anonymous.
All tracking on our site is done anonymously.
We only know our visitors as anonymous numbers and statistics.
We anonymously track which pages are popular.
Our analytics data has been anonymised.
Visitor statistics are gathered in anonymous form.
Our visitor counting is anonymous.
We track visits anonymously.
Google Analytics collects only anonymous data.
All analytics are anonymised.
We measure the use of our pages in an anonymous manner.
Your clicks are logged anonymously.
Our site analytics run anonymously.
Cookies store anonymous usage information.
We use anonymised tracking.
Our statistics remain anonymous at all times.
All statistics on the use of our site are anonymous.
Usage statistics are collected in anonymised form only.
Our reach measurement is completely anonymous.
Your visit remains anonymous to us: analytics is anonymous.
We analyse visits anonymously.
The statistics gathered are anonymous and help us to make the site better.
Our analytics are anonymous and do not identify you.
The information we gather with Google Analytics is anonymous.
Google Analytics gives us anonymous statistics.
The data on how you use our website is recorded anonymously.
""",
    "kept_for": """
Counting how the site is used: kept for 5 months.
We keep the counting of how the site is used for 27 months.
If you allow it, we also count how our pages are used; we keep these counts for 27 months.
Counting how our site is used: we keep this for 5 years.
Counts of how the site is used are kept for 30 days.
Analytics data is stored for twenty-six months.
Analytics data is kept for twenty six months.
Usage data is kept for three years.
Usage statistics are deleted after 26 months.
Analytics data is deleted after two years.
We delete analytics data after 38 months.
The retention period for analytics data is 26 months.
Visitor statistics are kept for 90 days.
News and offers by e-mail: kept for 5 months.
Advertisements that fit you: kept for two years.
Records the law asks for: kept for ten years.
Payments are kept for 18 months.
We store your payment records for forty-eight months.
Marketing data is kept for half a year.
Data on page views is kept for 400 days.
The counting of how the site is used is kept for eighteen months.
Analytics records are retained for a period of twenty-four months.
We retain statistics for no longer than six months.
Usage data will be erased after ninety days.
We hold analytics data for 1 year.
The counts of visits are stored for five years.
Statistics have a retention period of two years.
Data about how you use our site is kept for 3 years.
After 26 months, analytics data is deleted.
Analytics data expires after 50 months.
News and offers by e-mail are kept for ninety days.
We use your address for our newsletter and keep it for 12 months.
Advertising identifiers are stored for 13 months.
Invoices will be kept for 10 years.
Payment details are removed after 3 years.
Our advertisements that fit you: we keep the data for one year.
We keep records the law asks for for two years.
Data used for advertisements is deleted after 24 months.
Marketing consents and newsletter data are stored for five (5) years.
We store page views for 36 months.
Statistics are stored for two years.
Usage data is retained for thirty-six months.
We store analytics data for a maximum of 6 months.
Your analytics data will be kept for 800 days.
We delete usage data after one year.
Counting how the site is used: data is kept for one month.
Counting of how our site is used is kept for 50 months.
These counts of visits are kept for three years.
Newsletter data is deleted after 5 years.
News and offers by e-mail: kept for six weeks.
Payment records are erased after twelve months.
Advertising data is held for ninety days.
Invoices are stored for seventy-two weeks.
Records the law asks for are stored for one year.
We retain usage data for forty months.
The usage data is deleted automatically after 3 years.
Counts of how the site is used: we keep them for 20 months.
Newsletter addresses are stored for ten years.
Invoices are deleted after one year.
We keep your usage data for 2 years and then delete it.
Usage statistics will be stored for up to six months, after which they are deleted.
We retain marketing data for a period of five years.
Billing data is kept for 3 years after the purchase.
Data for counting how the site is used will be deleted after 3 months.
""",
}
"""Sentences that the sample's configuration contradicts, one a line, by the rule that finds them."""
HARMLESS = """
We do not share your payment card with Facebook.
We do not use Facebook Login.
Facebook receives nothing from us unless you agreed.
We do not sell your data to Facebook.
We do not sell your data to Google or anyone else.
We never send passwords to Google.
You can use our site without Facebook.
We do not use Facebook Pixel before you consent.
Do we share your data with Facebook?
Don't we use Google Analytics?
Does Facebook receive nothing from us?
Facebook receives nothing from us until you say yes.
We do not share data with Facebook without your consent.
Without your consent we do not share any data with Facebook.
If you decline, we do not use Facebook.
When you say no, nothing is sent to Google.
Unless you agree, no data is sent to Facebook.
As long as you have not agreed, we send no data to Google.
We do not share your data with Facebook for their own purposes.
We do not send your name to Facebook.
We do not send your telephone number to Stripe.
We do not share your health data with Google.
We do not share your messages with Facebook.
We do not share the content of your uploads with Google.
We do not use Google Maps.
We do not use Google Fonts or Google reCAPTCHA.
We do not use Google Ads.
We do not use Facebook Messenger to answer you.
We do not use Facebook to log you in.
We do not use Stripe Radar.
We do not use Stripe to store your orders.
We do not use Google as our search engine.
We do not use Instagram for support.
Facebook does not tell us who you are.
Facebook does not share your data with us.
We do not receive any data from Facebook.
We do not get your Facebook data.
Google does not use this data for its own ends.
Google does not sell your data.
Facebook never learns your order number from us.
You do not need Facebook to use our shop.
You do not have to share your data with Facebook.
You can tell us not to share your data with Facebook.
If you do not want Facebook to receive your data, say no in the banner.
Our partners do not use Facebook.
Some browsers do not send data to Google.
Ad blockers make sure that nothing is sent to Google Analytics.
The shop next door does not use Google Analytics.
Many people do not use Facebook.
Stripe does not share your card number with us.
Stripe never sends your data to Facebook.
SendGrid does not pass your address on to Google.
We do not share data that names you with Google Analytics.
We do not share your unhashed e-mail address with Facebook.
We do not send Facebook your e-mail address in plain text.
We are not responsible for what Facebook does.
We have no influence on what Facebook does with your data.
We do not control how Google uses data.
We do not know what Facebook does with your data.
This policy does not cover Facebook or Instagram.
We are not part of Facebook.
We are not affiliated with Google.
Our shop is not run by Facebook.
We do not have a page on Facebook.
The links to Facebook on our pages send no data to Facebook until you click.
Links to Instagram do not share any data with Instagram.
See [We do not use Facebook](https://a.example/campaign), a campaign of others.
You may have read “We do not use Facebook” on other sites.
"We never send data to Facebook", says another shop.
Other shops write that they do not use Google Analytics.
We do not use Google Analytics in our mobile app.
We do not use Facebook for children under 16.
We do not use Facebook where you have objected.
We do not use Facebook only for advertising.
We do not only use Google Analytics but also Google Tag Manager.
We do not just share data with Facebook; Instagram gets some too.
We cannot share data with Facebook once you object.
After you object, Facebook receives nothing from us.
After you withdraw your consent, no data is sent to Google Analytics.
Facebook receives nothing from us other than hashed addresses.
Facebook receives no data except hashed addresses.
We share nothing with Facebook but hashed addresses.
We share no more data with Google than necessary.
We do not share more data with Facebook than you allowed.
No data is sent to Facebook by default.
Google Analytics is not loaded before you choose.
Google Analytics is not used when your browser sends Global Privacy Control.
Google Analytics is not used to identify you.
Facebook is not told your name.
Facebook is not our only partner.
Not all data is shared with Facebook.
Not every visitor's data is sent to Google.
We would like not to use Facebook.
We hope that one day we do not use Facebook.
We do not set meta tags that name you.
We do not use meta data of your pictures.
We do not share your data with Facebook users.
We do not share your data with Facebook groups.
We never post to your Facebook page.
We do not read your Facebook profile.
We do not use Stripe's cookies to track you.
We ask you not to send data to Facebook on our behalf.
Please do not send your card number to Stripe by e-mail.
No password is ever sent to Google.
No payment data is shared with Facebook.
No card numbers are sent to Facebook or Google.
None of your uploads are shared with Facebook.
None of your messages goes to Google.
Neither Facebook nor Google receives your card number.
Neither Facebook nor Instagram receives your data if you say no.
Neither Stripe nor SendGrid may use your data for themselves.
Nobody at Google reads your uploads.
We use Facebook, not LinkedIn.
We use Stripe and no other payment service.
We do not use any tracking tool other than Google Analytics.
We do not share data with networks besides Facebook.
We share data with Facebook, but not with TikTok.
We do not use TikTok, Pinterest or Snapchat.
We do not use WhatsApp.
We do not share data with Twitter; Facebook gets hashed addresses.
We do not share your data with your Facebook friends.
Our own counts are anonymous and name nobody.
Our analytics is not anonymous.
Our analytics is pseudonymous, not anonymous.
We do not claim that our analytics is anonymous.
Is our analytics anonymous?
You can browse our pages anonymously.
You may use our site anonymously if you block cookies.
You may leave a review anonymously.
Our customer survey is anonymous.
Our whistleblowing line is anonymous.
Analytics data is deleted or anonymised after 14 months.
After 14 months we anonymise usage data.
We cannot promise that statistics are anonymous.
Google calls its analytics anonymous; it is not.
Some people think that analytics is anonymous.
IP addresses are anonymised before Google Analytics stores them.
Anonymous visitors see the same prices.
Once your account is deleted, the statistics are anonymous.
We share anonymous figures with our landlord.
Counting how the site is used: kept for 14 months.
We keep the counting of how the site is used for fourteen months.
If you allow it, we count how our pages are used; we keep these counts for 14 months.
Analytics data is deleted after 14 months.
We delete analytics data after 14 months.
Analytics: 14 months.
Usage data is kept for at most 14 months.
We keep the counts of our stock for two years.
We keep our own counts for five years.
We keep your uploads for 90 days.
Reports of faults are deleted after two years.
The analytics cookie is kept for two years.
Your card expires after three years.
We do not keep analytics data for 26 months.
Analytics data was once kept for 26 months; now it is 14 months.
We kept analytics data for 26 months until last year.
You may ask us to keep analytics data for less than 14 months.
Google keeps analytics data in its own systems for as long as it says in its policy.
How the site is used tells us what to keep.
The site is used by 5 million people, and kept for you.
Our site was used for 5 months by a school.
Invoices are deleted after six years.
Newsletter addresses are deleted after 24 months.
We delete newsletter addresses after 12 months of silence.
Marketing mails are sent for two months at most.
Advertisements run for two weeks.
Records the law asks for: kept for six years.
Payments are taken within 3 days.
We have kept news for 3 years in our archive.
# We do not use Facebook
## Our analytics is anonymous
We do not allow Facebook to use your data for its own advertising.
We do not share your phone number with Google or Facebook.
Facebook never receives your real name from us.
Our shop does not use Facebook comments.
We do not use Google to translate our pages.
We have not yet used Google Analytics on the pages for schools.
We do not use the address you gave us to find you on Facebook.
We don't share your private messages with Facebook.
We don't use Google Drive for your uploads.
We do not use Stripe for donations.
Stripe is not used for orders paid by bank transfer.
If consent is missing, Google Analytics is not used.
Google Analytics is not used as long as you have not chosen.
Facebook is not allowed to sell the data.
We never sell or rent your data to Facebook.
Facebook and Google receive no data that says who you are.
Facebook gets no data you have not agreed to.
Nothing is shared with Facebook while you are logged out.
You will not be asked for a Facebook account.
We do not require a Google account.
We are neither owned by Google nor by Facebook.
We are not Google.
What Facebook does with data is described in its own policy.
Facebook does not use our data to train anything.
Neither Google nor Facebook tells us your name.
Visitors who block Google Analytics are not counted.
How can I make sure that Facebook receives nothing?
Will you never send my data to Facebook?
Our competitors never send data to Facebook.
We do not send any data about children to Facebook.
No data about your health is shared with Google.
No special categories of data are sent to Facebook or Instagram.
None of your passwords is known to Google.
We do not share your data with Facebook other than in hashed form.
We do not share data with Facebook in plain form.
We do not share your order history with Facebook.
We do not store your card number; Stripe does.
We do not see your card number, Stripe does.
We do not send you mail through Facebook.
We do not answer messages on Instagram.
We do not use Instagram stories to advertise.
Nobody at Stripe reads your messages.
We do not decide which data Google collects when you use its search.
We cannot see what you do on Facebook.
To stop Google Analytics, install its browser add-on.
No, you do not need to allow Facebook.
Use of Google Analytics is not required to use our shop.
It is not possible to log in with Facebook.
We do not link your account with your Facebook account.
Meta tags on our pages do not name you.
Our printing partner does not work with Facebook.
The courier receives nothing from us but your address.
Third parties never receive your data without your consent.
Third parties do not receive your password.
Nothing is shared with third parties unless you ask us to.
No data on paper is shared with third parties.
None of your uploads is passed on to third parties.
We share nothing with third parties that do not work for us.
We pass nothing on to third parties for their own ends.
Third parties never get your data for their own ends.
You can stay anonymous when you visit our showroom.
You can ask for a quote anonymously.
Our suggestion box works anonymously.
We cannot keep our analytics anonymous.
Analytics is neither anonymous nor free of identifiers.
Comments are published anonymously.
We do not call our analytics anonymous.
Is tracking done anonymously?
The winner of our prize draw stays anonymous.
Ask your browser to visit pages anonymously.
Private windows do not make your visit anonymous.
We wanted our statistics to be anonymous, but they are not.
Usage data is anonymised after 14 months.
We anonymise orders after six years.
We keep the statistics for 14 months at most.
After 14 months analytics data is deleted.
Usage data expires after fourteen months.
Page views are stored for fourteen months.
News and offers by e-mail: at most two years.
News and offers by e-mail are sent for 3 months after you buy.
Your account: kept as long as you have one.
We keep your account for 14 days after you ask us to delete it.
Advertisements that fit you: kept for six months.
Advertising data is deleted after six months.
We count how the site is used for 5 months each year.
Counting how many people come in takes 5 minutes.
We delete reports about how the site is used after 3 months.
Test payments are deleted after 3 days.
Payments fail after 3 days.
Our invoices are due after 30 days.
Refunds of payments are made after 5 days.
Advertisements are shown for 3 weeks.
Unpaid invoices are sold after 3 months.
The newsletter is kept for two years in our archive on the web.
Newsletter drafts are deleted after 30 days.
Records of our choir are kept for 50 years.
The law asks for records to be kept for six years.
Our analytics provider was founded 20 years ago.
Statistics show that people keep a print for 20 years.
We have used Google Analytics for five years.
We do not share your location with Google.
We do not send your photographs to Facebook or Instagram.
Facebook does not get your e-mail address in readable form.
Google does not receive your password.
Stripe does not receive your messages.
SendGrid never sees your payment card.
We do not use Facebook to contact you.
We do not use Google Pay or Apple Pay.
We do not use Google Analytics for advertising.
We do not use Google Analytics for signed-in staff.
We do not use Firebase Crashlytics.
We don't use Meta Quest or Oculus.
We do not use Instagram as a shop.
We never use Facebook data to set prices.
We do not combine your data with Facebook data.
We do not buy data from Facebook.
We do not obtain your contacts from Google.
We do not import anything from Instagram.
No data is taken from Facebook.
No data is imported from Google.
Neither Google nor Facebook pays us.
Neither of us uses Facebook without your yes.
Facebook is not responsible for our shop.
Facebook is not used to log in.
Google is not involved in printing.
Google has no say in what we do.
Facebook gets no money from us.
Facebook gets no more than a hash.
Instagram receives nothing if you have not accepted advertising.
Google Analytics receives no data until you agree.
Nothing is sent to Google Analytics until you have agreed.
Your data is not shared with Facebook unless you switch advertising on.
Your data is never sold to Facebook.
We do not share your data with Facebook before you have chosen.
Until you choose, we do not use Facebook.
With advertising switched off, we do not use Facebook.
In private mode we do not use Google Analytics.
For customers who object we do not use Facebook.
We do not use Facebook on the pages for schools.
We do not use Google Analytics inside your account.
We do not use Google Analytics, Facebook or Instagram unless you let us.
Have we ever shared data with Facebook?
Is it true that Facebook receives nothing from us?
Our customers often say "We do not use Facebook".
A sign in our shop says: “We never send data to Google”.
Our landlord does not use Google Analytics.
Your employer may not use Facebook.
If you use an ad blocker, Facebook receives nothing.
It is up to you whether Facebook receives nothing from us.
Tell us if you would rather that Facebook receives nothing.
You decide that we do not use Facebook for you.
See Google's policy to learn what is not shared with Google.
Links to Facebook are plain links and send nothing by themselves.
The share button sends nothing to Facebook before you press it.
Our page on Instagram is not part of this shop.
On our Facebook page we do not collect any data.
The Facebook page of our choir is not run by us.
We do not follow you on Facebook.
We do not publish your pictures on Instagram.
We do not post your reviews to Google.
We do not upload your pictures to Google.
No picture of yours is shown on Instagram.
We do not share your orders with Stripe.
We do not let Facebook read your messages.
Stripe cannot see your uploads.
We do not store payment data on Google Cloud.
We do not keep your passwords at Google.
We do not send newsletters through Facebook.
We do not process payments through Google.
Payments are not processed by Facebook.
Our e-mails are not sent by Stripe.
Third parties do not get your messages.
Third parties never see your password.
No third party receives your payment card.
Nothing is shared with third parties without your permission.
Nothing is shared with third parties for advertising of their own.
We pass nothing on to third parties who do not need it.
Nothing in this policy is shared with third parties as advice.
We use the word anonymous only where nobody can be told.
Our own statistics are anonymous.
Visits are not counted anonymously.
We count visits under an id, so they are not anonymous.
Reviews can be written anonymously.
You can pay anonymously with a voucher.
The jury judges the pictures anonymously.
Guests can visit our shop anonymously.
Our statistics are not fully anonymous.
No analytics is truly anonymous.
Analytics can never be wholly anonymous.
To keep our statistics anonymous would take more than this.
We anonymise reviews of people who left.
We keep the statistics for no longer than 14 months.
Analytics data is deleted after at most fourteen months.
Statistics on deliveries reach us after 3 weeks.
We make statistics every 3 months.
Usage statistics cover 12 months.
We look at analytics for the past 30 days.
We keep the analytics service on for 24 months and then look for another one.
We keep a copy of these terms for 10 years.
We stored visitor statistics for 3 years before 2020.
Payments can be refunded for 30 days.
A payment link expires after 3 days.
Payment reminders are sent after 14 days.
We delete drafts of newsletters after 12 months.
The newsletter appears for the next 12 months.
Marketing is paused for 30 days after you complain.
News and offers by e-mail come every 2 weeks.
Advertisements that fit you: shown for two years.
Advertisements that fit you are shown for 30 days.
Our records of the law firm are kept for 30 years.
How the site is used changes after 3 months.
Counting how the site is used began 5 years ago.
Your account: open for 5 years.
Your account is kept for as long as you want.
Messages about your orders and questions: answered within 3 days.
Gift cards expire after three years.
An invoice is deleted after six years.
Invoices are kept for up to six years.
Records the law asks for: kept for 6 years.
News and offers by e-mail: kept for twenty-four months.
Advertisements that fit you: kept for half a year.
We do not pass your delivery address to Facebook.
Google is not told what you buy.
Facebook does not receive your orders.
We do not use Google Workspace for customer data.
We do not use Stripe Atlas.
We do not use Facebook data from other shops.
Facebook never receives anything before you say yes.
We never send data to Facebook for people who said no.
We don't use Instagram to look at applicants.
We do not use Google or Facebook to check who you are.
Does Google get my data?
Nobody has to use Facebook.
No one needs a Google account here.
We do not run the servers of Google.
Your data is not sent to Facebook when you are signed out.
We do not share your data with Google beyond what you agreed to.
You have not agreed, so nothing is sent to Facebook.
Our site has no link to Facebook.
There is no Facebook button on our pages.
There are no Instagram pictures on our pages.
We have no Facebook group.
Our site contains no Google map.
We have no contract with Facebook about pictures.
We have no agreement with Google to share revenue.
You will not find us on Facebook.
We do not load Instagram pictures.
The analysis of paper samples is anonymous.
Our figures on salaries are anonymous.
We log errors anonymously.
Anonymous gifts are welcome.
Orders are deleted after six years.
Statistics are updated after 2 days.
We keep news on our site for 3 years.
Usage data older than 14 months is deleted.
Our marketing team keeps its plans for 5 years.
We use Stripe to take payments, so your card number never reaches us, and we do not store it.
We use Google Analytics only after you agreed, and Google does not use the data for its own advertising.
We use SendGrid to send e-mail; it does not use your address for anything else and does not share it with Facebook.
We show advertisements on Facebook and Instagram to those who agreed; nobody else's data is sent to Facebook.
If you did not agree, nothing about you is sent to Facebook or Instagram.
We do not share data with Facebook about people who have not agreed.
Once you take back your consent, we do not send any more data to Google Analytics.
We do not use Google Analytics to find out who you are, and never ask Google to do so.
Facebook does not receive data from us about visitors who said no.
When you delete your account, we tell Facebook and Google to delete your data.
We have told Google not to share data with Facebook.
Google is bound by contract not to share your data with Facebook.
Our contracts say that none of your data is sold by Stripe, SendGrid or Google.
We do not transfer personal data to Google outside the European Union.
We do not use the Facebook Like button or the Instagram feed.
Facebook and Google do not receive any data from the pages of your account.
We do not link the data of Google Analytics with your account.
The reports Google Analytics gives us do not name you, though they are not anonymous.
Google Analytics shortens your address, and is asked not to keep it.
Where figures are published they are anonymous.
You may ask that we count your visits no longer, and we stop.
We keep what you agreed to for three years after you take it back, as proof.
Marketing mails carry a link that works for at least 30 days after they are sent.
We keep payments and invoices for six years, because tax law says so.
If you pay by invoice, payment is due after 14 days.
Statistics about our shop, such as the number of orders, are kept for as long as we like.
We keep server logs for 7 days and do not use them for statistics.
A payment that fails is tried again for 3 days.
Every year we publish statistics that were kept for the year before.
We delete the advertising audiences at Facebook after 24 hours at most.
"""
"""Sentences that look like them and are accused of nothing."""
COMPANY = company_from(yaml.safe_load((SAMPLES / "company.yaml").read_text()))
FACTS = Facts(COMPANY, ANNEX, NAMES, website_data_from(yaml.safe_load((SAMPLES / "website-data.yaml").read_text())))
NOT_SO = [(rule, one) for rule, lines in SAID_AND_NOT_SO.items() for one in lines.strip().splitlines()]


def contradicted(text: str, **changed: Any) -> dict[str, str]:
    """Return why each rule finds a text contradicted, by rule."""
    facts = FACTS._replace(company=msgspec.structs.replace(COMPANY, **changed))
    found = [one for one in findings(canonical_text(text), facts) if one.kind == "contradiction"]
    return {one.rule: one.why for one in found if one.rule != "recipient_unnamed"}


@pytest.mark.parametrize(("rule", "sentence"), NOT_SO, ids=str)
def test_what_is_plainly_said_and_not_so_is_found(rule: str, sentence: str) -> None:
    assert rule in contradicted(sentence)


@pytest.mark.parametrize("sentence", HARMLESS.strip().splitlines())
def test_what_only_looks_like_it_is_accused_of_nothing(sentence: str) -> None:
    assert contradicted(sentence) == {}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("We never share data with:\n\n- Stripe\n", "no_sharing"),
        ("What we do not do:\n\n- We do not use Facebook.\n", "no_sharing"),
        ("We count how the pages are used. We keep these counts for three years.", "kept_for"),
        ("## How long we keep it\n\nAnalytics: 26 months.\n", "kept_for"),
        ("## How long we keep it\n\n- Counting how the site is used: two years\n", "kept_for"),
    ],
)
def test_a_list_and_what_stands_around_it_are_read_together(text: str, rule: str) -> None:
    assert rule in contradicted(text)


@pytest.mark.parametrize(
    "text",
    [
        "Unless you agree:\n\n- We do not use Facebook.\n",
        "We do not use:\n\n- Google Maps\n- Facebook Login\n",
        "## Children\n\nWe do not use Facebook.\n",
        "## Without your consent\n\nNothing is sent to Google.\n",
        "## Opening hours\n\nAnalytics: 26 months.\n",
        "We count the sheets in store. We keep these counts for three years.",
    ],
)
def test_what_holds_for_some_or_of_something_else_is_accused_of_nothing(text: str) -> None:
    assert contradicted(text) == {}


@pytest.mark.parametrize(
    ("sentence", "not_used", "found"),
    [
        ("We do not use Facebook.", ["facebook"], False),
        ("We do not use Facebook.", ["instagram"], True),
        ("We share nothing with Meta.", ["facebook"], True),
        ("We share nothing with Meta.", ["facebook", "instagram"], False),
        ("Google receives no data.", ["google_analytics", "google_tag_manager"], True),
        ("We do not use Stripe or SendGrid.", ["stripe"], True),
    ],
)
def test_what_is_denied_of_one_who_is_not_used_is_so(sentence: str, not_used: list[str], found: bool) -> None:
    assert ("no_sharing" in contradicted(sentence, not_used=dict.fromkeys(not_used, "no need"))) is found


def test_who_is_denied_is_named_with_what_it_gets() -> None:
    why = contradicted("Facebook receives nothing from us.")["no_sharing"]
    assert (
        why
        == "Facebook works for the company (“Shows advertisements, after consent”) and gets hashed e-mail address, pixel events."
    )


@pytest.mark.parametrize("kept_for", ["P26M", "P5Y"])
def test_a_title_of_a_purpose_is_known_though_its_small_words_are_others(kept_for: str) -> None:
    polls = msgspec.structs.replace(
        COMPANY.purposes[4], name="polls", title="Asking what you think of us", why="To learn", kept_for=kept_for
    )
    said = contradicted("Asking what guests think: kept for 26 months.", purposes=[*COMPANY.purposes, polls])
    assert ("kept_for" in said) is (kept_for != "P26M")


@pytest.mark.parametrize(
    "words",
    [
        "because we value our ", "unlike many other sites ", "we do not share any of your personal ", "Facebook and ", "at all ", "we promise you that ",
        "counting a site ", "news offers mail ", "statistics is always ", "no data we collect is ", "deleted after ", "twenty ", "kept for twenty (twenty ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("length", [380, 40_000])
def test_forty_kilobytes_of_the_same_words_take_no_time(words: str, length: int) -> None:
    one = (words * 40_000)[:length] + " Facebook.\n\n"
    began = time.process_time()
    contradicted(one * (40_000 // length))
    # a second is plenty here; the rest is for a busy machine
    assert time.process_time() - began < 3
