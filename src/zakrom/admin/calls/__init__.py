"""The calls, a file by subject. Each names its action (`admin.actions`) and who may make it (`admin.desk.may`)."""
