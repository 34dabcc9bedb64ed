// What any process costs, whatever it does.
int main(void) { return 0; }
