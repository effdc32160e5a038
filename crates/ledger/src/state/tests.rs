mod cell;
mod ceremonies;
mod genesis;
mod withdrawals;
