"""Where imports come from: a CSV file, SendGrid, Stripe. Each yields rows, and changes nothing."""
